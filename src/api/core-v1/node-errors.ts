import { isDeepStrictEqual } from 'node:util';
import { isIPv6 } from 'node:net';
import type { Node, Taint } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { addressRangeErrors } from '#api/meta/address-errors.ts';
import { forbiddenField, required, wrongValue } from '#api/meta/field-error.ts';
import { labelValue, nameErrors, qualifiedName } from '#api/meta/name-errors.ts';
import { parseQuantity, renderQuantity } from '#api/meta/quantity.ts';
import { duplicateValue, unsupportedErrors } from '#api/meta/value-errors.ts';

const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute'];

/** What is wrong with a Node, and with what of it changes. */
export function nodeErrors(
  { spec = {}, status = {} }: Node,
  previous: Node | undefined,
): FieldError[] {
  const { podCIDRs = [] } = spec;
  const areTwice = new Set(podCIDRs.map((range) => isIPv6(range.split('/')[0] ?? ''))).size;
  const path = 'spec.podCIDRs';
  const why = 'may specify no more than one CIDR for each IP family';
  return [
    // Kubernetes' own slip: they are in the spec.
    ...taintErrors(spec.taints ?? [], 'metadata.taints'),
    ...amountErrors(status.capacity, 'status.capacity'),
    ...amountErrors(status.allocatable, 'status.allocatable'),
    ...podCIDRs.flatMap((range, index) => addressRangeErrors(`${path}[${index}]`, range)),
    ...(areTwice < podCIDRs.length ? [wrongValue(path, podCIDRs, why)] : []),
    ...(previous?.spec ? changeErrors(spec, previous.spec) : []),
  ];
}

function taintErrors(taints: readonly Taint[], at: string): FieldError[] {
  const identities = taints.map(({ key, effect }) => `${key} ${effect}`);
  return taints.flatMap((taint, index) => {
    const path = `${at}[${index}]`;
    // A key or an effect may be absent: nothing looks at types before this.
    const { key = '', value = '', effect } = taint as Partial<Taint>;
    const shown = { Key: key, Value: value, Effect: effect, TimeAdded: taint.timeAdded ?? null };
    const { message, ...duplicate } = duplicateValue(path, shown);
    const why = `${message}: taints must be unique by key and effect pair`;
    return [
      ...nameErrors(qualifiedName, `${path}.key`, key),
      ...nameErrors(labelValue, `${path}.value`, value),
      ...(effect
        ? unsupportedErrors(`${path}.effect`, effect, EFFECTS)
        : [required(`${path}.effect`)]),
      ...(identities.indexOf(identities[index] ?? '') < index
        ? [{ ...duplicate, message: why }]
        : []),
    ];
  });
}

function amountErrors(
  amounts: Readonly<Record<string, string | number>> | undefined,
  at: string,
): FieldError[] {
  return Object.entries(amounts ?? {}).flatMap(([name, amount]) => {
    const quantity = parseQuantity(amount);
    if (quantity.nano >= 0n) return [];
    const why = 'must be greater than or equal to 0';
    return [wrongValue(`${at}.${name}`, renderQuantity(quantity), why)];
  });
}

/** Who a node is, and which addresses its pods have, is said once. */
function changeErrors(
  spec: NonNullable<Node['spec']>,
  previous: NonNullable<Node['spec']>,
): FieldError[] {
  const { podCIDRs = [] } = previous;
  const isMoved = podCIDRs.length > 0 && !isDeepStrictEqual(spec.podCIDRs, podCIDRs);
  const isOther = previous.providerID && spec.providerID !== previous.providerID;
  const text = (field: string): string =>
    `node updates may not change ${field} except from "" to valid`;
  return [
    ...(isMoved ? [forbiddenField('spec.podCIDRs', text('podCIDR'))] : []),
    ...(isOther ? [forbiddenField('spec.providerID', text('providerID'))] : []),
  ];
}
