import { isDeepStrictEqual } from 'node:util';
import { ephemeralChangeErrors } from '#api/core-v1/ephemeral-errors.ts';
import type { Container, PodSpec, Toleration } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { forbiddenField, wrongValue } from '#api/meta/field-error.ts';

const CHANGE_TEXT =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

/** What a pod's author may not change any more. */
export function podChangeErrors(
  spec: PodSpec,
  previous: PodSpec,
  { subresource }: { readonly subresource: string | undefined },
): FieldError[] {
  if (subresource === 'ephemeralcontainers')
    return ephemeralChangeErrors(
      spec.ephemeralContainers ?? [],
      previous.ephemeralContainers ?? [],
    );
  const count = ({ containers, initContainers = [] }: PodSpec): string =>
    `${containers.length} ${initContainers.length}`;
  if (count(spec) !== count(previous)) {
    const path =
      spec.containers.length === previous.containers.length ? 'initContainers' : 'containers';
    return [forbiddenField(`spec.${path}`, 'pod updates may not add or remove containers')];
  }
  // A node is given once, by whoever may bind: to change pods is not enough.
  const { nodeName = '', ...before } = fixedPart(previous);
  const { nodeName: given = '', ...after } = fixedPart(spec);
  const isSame =
    isDeepStrictEqual(after, before) && (subresource === 'binding' || given === nodeName);
  return [
    ...deadlineErrors(spec.activeDeadlineSeconds, previous.activeDeadlineSeconds),
    ...tolerationErrors(spec.tolerations ?? [], previous.tolerations ?? []),
    ...gateErrors(spec.schedulingGates ?? [], previous.schedulingGates ?? []),
    ...(isSame ? [] : [forbiddenField('spec', CHANGE_TEXT)]),
  ];
}

/** It may come nearer, but neither go nor recede. */
function deadlineErrors(seconds: number | undefined, before: number | undefined): FieldError[] {
  const path = 'spec.activeDeadlineSeconds';
  if (before === undefined) return [];
  if (seconds === undefined) {
    return [wrongValue(path, null, 'must not update from a positive integer to nil value')];
  }
  if (seconds <= before) return [];
  return [wrongValue(path, seconds, 'must be less than or equal to previous value')];
}

/** Those a pod has may only be shortened; others may be added. */
function tolerationErrors(
  tolerations: readonly Toleration[],
  before: readonly Toleration[],
): FieldError[] {
  const untimed = (one: Toleration): object => ({ ...one, tolerationSeconds: 0 });
  const isKept = (old: Toleration): boolean =>
    tolerations.some((one) => isDeepStrictEqual(untimed(one), untimed(old)));
  if (before.every(isKept)) return [];
  const why = 'existing toleration can not be modified except its tolerationSeconds';
  return [forbiddenField('spec.tolerations', why)];
}

function gateErrors(
  gates: readonly { readonly name: string }[],
  before: readonly { readonly name: string }[],
): FieldError[] {
  return gates.flatMap(({ name }, index) => {
    if (before.some((gate) => gate.name === name)) return [];
    const why = `only deletion is allowed, but found new scheduling gate '${name}'`;
    return [forbiddenField(`spec.schedulingGates[${index}].name`, why)];
  });
}

/** What of a pod stays as it was created. */
function fixedPart(spec: PodSpec): PodSpec {
  const {
    activeDeadlineSeconds: _deadline,
    tolerations: _tolerations,
    schedulingGates: _gates,
    initContainers,
    ephemeralContainers = [],
    ...fixed
  } = spec;
  const withoutImage = (container: Container): Container => ({ ...container, image: '' });
  return {
    ...fixed,
    ephemeralContainers,
    containers: spec.containers.map(withoutImage),
    ...(initContainers && { initContainers: initContainers.map(withoutImage) }),
  };
}
