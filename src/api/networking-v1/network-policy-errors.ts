import type {
  IPBlock,
  NetworkPolicyPeer,
  NetworkPolicyPort,
  NetworkPolicySpec,
} from '#api/generated/networking-v1.ts';
import type { FieldError } from '#api/kind.ts';
import {
  addressRangeErrors,
  isRange,
  isStrictPart,
  namedPortErrors,
  portErrors,
} from '#api/meta/address-errors.ts';
import { forbiddenField, required, wrongValue } from '#api/meta/field-error.ts';
import { selectorErrors } from '#api/meta/selector-errors.ts';
import { unsupportedErrors } from '#api/meta/value-errors.ts';

const DIRECTIONS = ['Ingress', 'Egress'];

export function networkPolicyErrors(spec: NetworkPolicySpec): FieldError[] {
  const { podSelector, ingress = [], egress = [], policyTypes = [] } = spec;
  const at = 'spec.policyTypes';
  return [
    ...selectorErrors(podSelector, 'spec.podSelector'),
    ...ingress.flatMap(({ ports, from }, index) =>
      ruleErrors(ports, { peers: from, field: 'from', at: `spec.ingress[${index}]` }),
    ),
    ...egress.flatMap(({ ports, to }, index) =>
      ruleErrors(ports, { peers: to, field: 'to', at: `spec.egress[${index}]` }),
    ),
    ...(policyTypes.length > DIRECTIONS.length
      ? [wrongValue(at, policyTypes, 'may not specify more than two policyTypes')]
      : policyTypes.flatMap((type, index) =>
          unsupportedErrors(`${at}[${index}]`, type, DIRECTIONS),
        )),
  ];
}

interface Peers {
  readonly peers: readonly NetworkPolicyPeer[] | undefined;
  readonly field: 'from' | 'to';
  readonly at: string;
}

function ruleErrors(
  ports: readonly NetworkPolicyPort[] | undefined,
  { peers, field, at }: Peers,
): FieldError[] {
  return [
    ...(ports ?? []).flatMap((port, index) => policyPortErrors(port, `${at}.ports[${index}]`)),
    ...(peers ?? []).flatMap((peer, index) => peerErrors(peer, `${at}.${field}[${index}]`)),
  ];
}

function policyPortErrors(
  { protocol, port, endPort }: NetworkPolicyPort,
  at: string,
): FieldError[] {
  const end = `${at}.endPort`;
  const errors = unsupportedErrors(`${at}.protocol`, protocol, ['TCP', 'UDP', 'SCTP']);
  if (port === undefined) {
    const why = 'may not be specified when `port` is not specified';
    return endPort === undefined ? errors : [...errors, wrongValue(end, endPort, why)];
  }
  const isName = typeof port === 'string';
  const nameText = 'may not be specified when `port` is non-numeric';
  if (endPort !== undefined && isName) errors.push(wrongValue(end, endPort, nameText));
  errors.push(...namedPortErrors(`${at}.port`, port));
  if (endPort !== undefined && !isName) {
    // Kubernetes shows the port here, not its end.
    const why = 'must be greater than or equal to `port`';
    if (endPort < port) errors.push(wrongValue(end, port, why));
    errors.push(...portErrors(end, endPort));
  }
  return errors;
}

function peerErrors(peer: NetworkPolicyPeer, at: string): FieldError[] {
  const { podSelector, namespaceSelector, ipBlock } = peer;
  const errors = [
    ...selectorErrors(podSelector, `${at}.podSelector`),
    ...selectorErrors(namespaceSelector, `${at}.namespaceSelector`),
    ...(ipBlock ? blockErrors(ipBlock, `${at}.ipBlock`) : []),
  ];
  const isPods = podSelector !== undefined || namespaceSelector !== undefined;
  if (!isPods && !ipBlock) return [...errors, required(at, 'must specify a peer')];
  if (!isPods || !ipBlock) return errors;
  return [...errors, forbiddenField(at, 'may not specify both ipBlock and another peer')];
}

function blockErrors({ cidr, except = [] }: IPBlock, at: string): FieldError[] {
  if (!cidr) return [required(`${at}.cidr`)];
  if (!isRange(cidr)) return addressRangeErrors(`${at}.cidr`, cidr);
  return except.flatMap((part, index) => {
    const path = `${at}.except[${index}]`;
    if (!isRange(part)) return addressRangeErrors(path, part);
    const why = 'must be a strict subset of `cidr`';
    return isStrictPart(part, cidr) ? [] : [wrongValue(path, part, why)];
  });
}
