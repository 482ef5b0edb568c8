import { isIPv4 } from 'node:net';
import type { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import type { Service } from '#api/core-v1/service.ts';
import { interfacePrefix } from '#agent/network/pod-network.ts';
import type { NetworkRanges } from '#agent/network/ranges.ts';

export interface OpenPorts {
  readonly tcp: readonly number[];
  readonly udp: readonly number[];
}

export interface RuleInput {
  readonly instance: string;
  readonly ranges: NetworkRanges;
  /** Ports of the pod-facing address that pods may reach; everything else of this machine is closed to them. */
  readonly openPorts: OpenPorts;
  readonly services: readonly Service[];
  readonly slices: readonly EndpointSlice[];
}

export function tableName(instance: string): string {
  return `knode_${instance}`;
}

interface Target {
  readonly address: string;
  readonly port: number;
}

interface ServicePortRule {
  readonly address: string;
  readonly protocol: 'tcp' | 'udp';
  readonly port: number;
  readonly targets: readonly Target[];
}

/**
 * The instance's whole nftables table as one transaction: loading it replaces what was there atomically. The first lines
 * make sure the tables exist, so that the deletes after them never fail.
 */
export function renderRules(input: RuleInput): string {
  const table = tableName(input.instance);
  const rules = input.services.flatMap((service) => portRules(service, input.slices));
  return `${[
    ...['ip', 'ip6'].flatMap((family) => [
      `table ${family} ${table}`,
      `delete table ${family} ${table}`,
    ]),
    `table ip ${table} {`,
    ...translation(rules, input.ranges),
    ...protection(input),
    '}',
    ...ipv6Protection(input),
  ].join('\n')}\n`;
}

/** Pods have no IPv6 address; raw sockets could still reach the host's. */
function ipv6Protection({ instance }: RuleInput): string[] {
  const pods = `${interfacePrefix(instance)}*`;
  return [
    `table ip6 ${tableName(instance)} {`,
    ` chain input { type filter hook input priority filter; iifname "${pods}" drop; }`,
    ` chain forward { type filter hook forward priority filter; iifname "${pods}" drop; }`,
    '}',
  ];
}

function translation(rules: readonly ServicePortRule[], ranges: NetworkRanges): string[] {
  const served = rules.filter((rule) => rule.targets.length > 0);
  const entries = served.map(
    ({ address, protocol, port }, index) =>
      `${address} . ${protocol} . ${port} : goto service_${index}`,
  );
  const looped = [
    ...new Set(served.flatMap((rule) => rule.targets.map((target) => target.address))),
  ];
  return [
    ...served.flatMap((rule, index) => [` chain service_${index} { ${destination(rule)}; }`]),
    ' chain services {',
    ...(entries.length > 0
      ? [`  ip daddr . ip protocol . th dport vmap { ${entries.join(', ')} }`]
      : []),
    ' }',
    ` chain prerouting { type nat hook prerouting priority dstnat; ip daddr ${ranges.services} jump services; }`,
    ` chain output { type nat hook output priority -100; ip daddr ${ranges.services} jump services; }`,
    ' chain postrouting { type nat hook postrouting priority srcnat;',
    // A pod that reaches itself through a ClusterIP would get an answer from its own address and drop it.
    ...(looped.length > 0
      ? [
          `  ip saddr . ip daddr { ${looped.map((a) => `${a} . ${a}`).join(', ')} } snat to ${ranges.podFacing}`,
        ]
      : []),
    `  ip saddr ${ranges.pods} ip daddr != ${ranges.pods} masquerade`,
    ' }',
  ];
}

function destination({ protocol, targets }: ServicePortRule): string {
  const places = targets.map(({ address, port }, index) => `${index} : ${address} . ${port}`);
  const [only] = targets;
  const place =
    targets.length === 1 && only
      ? `dnat to ${only.address}:${only.port}`
      : `dnat ip addr . port to numgen random mod ${targets.length} map { ${places.join(', ')} }`;
  return `meta l4proto ${protocol} ${place}`;
}

function protection({ instance, ranges, openPorts }: RuleInput): string[] {
  const pods = `"${interfacePrefix(instance)}*"`;
  const open = (protocol: 'tcp' | 'udp'): string[] =>
    openPorts[protocol].length === 0
      ? []
      : [
          `  ip daddr ${ranges.podFacing} ${protocol} dport { ${openPorts[protocol].join(', ')} } accept`,
        ];
  return [
    ' chain input { type filter hook input priority filter; policy accept;',
    // The pod-facing address is on lo, where a neighbour on the network could route to it.
    `  iifname != ${pods} iifname != "lo" ip daddr ${ranges.podFacing} drop`,
    `  iifname != ${pods} accept`,
    '  ct state established,related accept',
    ...open('tcp'),
    ...open('udp'),
    `  ip daddr ${ranges.podFacing} icmp type echo-request accept`,
    '  drop',
    ' }',
    ' chain forward { type filter hook forward priority filter; policy accept;',
    // What translation left alone is a service nobody serves: refuse at once instead of a timeout.
    ...refusal(ranges).map((rule) => `  ${rule}`),
    `  oifname != ${pods} accept`,
    `  iifname ${pods} accept`,
    '  ct state established,related accept',
    '  ct status dnat accept',
    '  drop',
    ' }',
    ` chain refuse { type filter hook output priority filter; ${refusal(ranges).join('; ')}; }`,
  ];
}

/** TCP is refused with a reset: connecting sockets take an ICMP answer for something that may pass. */
function refusal({ services }: NetworkRanges): string[] {
  return [
    `ip daddr ${services} meta l4proto tcp reject with tcp reset`,
    `ip daddr ${services} reject with icmp port-unreachable`,
  ];
}

function portRules(service: Service, slices: readonly EndpointSlice[]): ServicePortRule[] {
  const address = service.spec?.clusterIP ?? '';
  if (!isIPv4(address) || service.spec?.type === 'ExternalName') return [];
  const own = slices.filter(
    (slice) =>
      slice.addressType === 'IPv4' &&
      slice.metadata.namespace === service.metadata.namespace &&
      slice.metadata.labels?.['kubernetes.io/service-name'] === service.metadata.name,
  );
  return (service.spec?.ports ?? []).flatMap((port) => {
    const protocol = (port.protocol ?? 'TCP').toLowerCase();
    if (protocol !== 'tcp' && protocol !== 'udp') return [];
    const targets = own.flatMap((slice) =>
      targetsOf(slice, port.name ?? '', port.protocol ?? 'TCP'),
    );
    return [{ address, protocol, port: port.port, targets: unique(targets) }];
  });
}

function targetsOf(slice: EndpointSlice, portName: string, protocol: string): Target[] {
  const port = slice.ports?.find(
    (each) => (each.name ?? '') === portName && (each.protocol ?? 'TCP') === protocol,
  )?.port;
  if (port === undefined) return [];
  return slice.endpoints
    .filter((endpoint) => endpoint.conditions?.ready !== false)
    .flatMap((endpoint) => endpoint.addresses.slice(0, 1))
    .filter((address) => isIPv4(address))
    .map((address) => ({ address, port }));
}

function unique(targets: readonly Target[]): Target[] {
  return [
    ...new Map(targets.map((target) => [`${target.address}:${target.port}`, target])).values(),
  ];
}
