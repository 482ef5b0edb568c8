import { isIPv4 } from 'node:net';
import { interfacePrefix } from '#agent/network/pod-network.ts';
import type { NetworkRanges } from '#agent/network/ranges.ts';
import type { ServiceRules } from '#agent/network/service-rules.ts';

export interface OpenPorts {
  readonly tcp: readonly number[];
  readonly udp: readonly number[];
}

/** What of the table stays as long as the process lives. */
export interface TableFrame {
  readonly instance: string;
  readonly ranges: NetworkRanges;
  /** Ports of the pod-facing address that pods may reach; everything else of this machine is closed to them. */
  readonly openPorts: OpenPorts;
  /** Addresses of this machine, beside loopback and the pod-facing one, that have node ports; `0.0.0.0` for all. */
  readonly listen: readonly string[];
}

/** Kubernetes' own range; the API server allocates from it. */
export const NODE_PORTS = { first: 30_000, last: 32_767 };
const NODE_PORT_RANGE = `${NODE_PORTS.first}-${NODE_PORTS.last}`;
/**
 * Names that one pod may ask for by UDP in a second, and at once: more than programs do, and less than what the server's
 * socket holds (some 270), so that those of others have room in it.
 */
const DATAGRAMS_PER_SECOND = 1_000;
const DATAGRAMS_AT_ONCE = 200;
/**
 * Connections that one pod may begin in a second, and at once. Each costs the machine an entry in its table of connections for
 * minutes, and far more work than the packet that asks for it; what is more is dropped before that, and asked for again by
 * programs a second later.
 */
const CONNECTIONS_PER_SECOND = 5_000;
const CONNECTIONS_AT_ONCE = 5_000;
const NOTHING: ServiceRules = { chains: new Map(), sets: new Map(), elements: new Map() };

export function tableName(instance: string): string {
  return `knode_${instance}`;
}

/**
 * The instance's whole nftables table as one transaction: loading it replaces what was there atomically. The first lines
 * make sure the tables exist, so that the deletes after them never fail.
 */
export function wholeTable(frame: TableFrame, services: ServiceRules): string {
  const table = tableName(frame.instance);
  return `${[
    ...['ip', 'ip6'].flatMap((family) => [
      `table ${family} ${table}`,
      `delete table ${family} ${table}`,
    ]),
    `table ip ${table} {`,
    ' map services { type ipv4_addr . inet_proto . inet_service : verdict; }',
    ' map node_ports { type inet_proto . inet_service : verdict; }',
    ' set looped { type ipv4_addr . ipv4_addr; }',
    ' set outside { type ipv4_addr . inet_proto . inet_service; }',
    ' set callers { type ipv4_addr; flags dynamic,timeout; timeout 10s; size 65536; }',
    ' set askers { type ipv4_addr; flags dynamic,timeout; timeout 10s; size 65536; }',
    ...translation(frame),
    ...protection(frame),
    '}',
    ...ipv6Protection(frame),
  ].join('\n')}\n${changedTable(frame, { from: NOTHING, to: services })}`;
}

/** Makes of a table that has `from` one that has `to`, as one transaction; empty where they are equal. */
export function changedTable(
  { instance }: Pick<TableFrame, 'instance'>,
  { from, to }: { readonly from: ServiceRules; readonly to: ServiceRules },
): string {
  const at = `ip ${tableName(instance)}`;
  const gone = <V>(a: ReadonlyMap<string, V>, b: ReadonlyMap<string, V>): string[] =>
    [...a.keys()].filter((key) => !b.has(key));
  const goneChains = gone(from.chains, to.chains);
  const newSets = [...to.sets].filter(([name]) => !from.sets.has(name));
  const changedChains = [...to.chains].filter(([name, rules]) => {
    const before = from.chains.get(name);
    return before?.length !== rules.length || !rules.every((rule, index) => rule === before[index]);
  });
  const goneElements = [...from.elements].filter(
    ([key, verdict]) => to.elements.get(key) !== verdict,
  );
  const newElements = [...to.elements].filter(
    ([key, verdict]) => from.elements.get(key) !== verdict,
  );
  const lines = [
    ...newSets.map(([name, declaration]) => `add set ${at} ${name} { ${declaration} }`),
    // What is there already is left as it is by `add`.
    ...changedChains.map(([name]) => `add chain ${at} ${name}`),
    ...[...goneChains, ...changedChains.map(([name]) => name)].map(
      (name) => `flush chain ${at} ${name}`,
    ),
    ...changedChains.flatMap(([name, rules]) =>
      rules.map((rule) => `add rule ${at} ${name} ${rule}`),
    ),
    ...elementLines(`delete element ${at}`, goneElements),
    ...elementLines(`add element ${at}`, newElements),
    ...goneChains.map((name) => `delete chain ${at} ${name}`),
    ...gone(from.sets, to.sets).map((name) => `delete set ${at} ${name}`),
  ];
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function elementLines(
  command: string,
  elements: readonly (readonly [key: string, verdict: string])[],
): string[] {
  const bySet = Map.groupBy(elements, ([key]) => key.slice(0, key.indexOf(' ')));
  return [...bySet].map(([set, members]) => {
    const texts = members.map(([key, verdict]) => {
      const element = key.slice(set.length + 1);
      return verdict === '' ? element : `${element} : ${verdict}`;
    });
    return `${command} ${set} { ${texts.join(', ')} }`;
  });
}

/** Pods have no IPv6 address; raw sockets could still reach the host's. */
function ipv6Protection({ instance }: TableFrame): string[] {
  const pods = `${interfacePrefix(instance)}*`;
  return [
    `table ip6 ${tableName(instance)} {`,
    ` chain input { type filter hook input priority filter; iifname "${pods}" drop; }`,
    ` chain forward { type filter hook forward priority filter; iifname "${pods}" drop; }`,
    '}',
  ];
}

/**
 * ClusterIPs are for pods and this machine's own programs, whoever routes here; node ports also for whoever reaches an
 * address that was asked for.
 */
function translation({ instance, ranges, listen }: TableFrame): string[] {
  const pods = `"${interfacePrefix(instance)}*"`;
  const { podFacing, services } = ranges;
  const everywhere = listen.includes('0.0.0.0');
  const addresses = everywhere ? [] : listen.filter((address) => isIPv4(address));
  const jump = 'jump node_ports';
  return [
    ' chain services { ip daddr . meta l4proto . th dport vmap @services; }',
    ' chain node_ports { meta l4proto . th dport vmap @node_ports; }',
    // Whatever raw sockets say, and also where nothing may be written under /proc/sys: by its own address, or not at all.
    ` chain sources { type filter hook prerouting priority raw; iifname ${pods} fib saddr . iif oif missing drop; iifname ${pods} tcp flags & (syn | ack) == syn update @callers { ip saddr limit rate over ${CONNECTIONS_PER_SECOND}/second burst ${CONNECTIONS_AT_ONCE} packets } drop; }`,
    ' chain prerouting { type nat hook prerouting priority dstnat;',
    `  iifname ${pods} ip daddr ${services} jump services`,
    `  iifname ${pods} ip daddr ${podFacing} jump services`,
    `  iifname ${pods} ip daddr ${podFacing} th dport ${NODE_PORT_RANGE} ${jump}`,
    ...(addresses.length > 0
      ? [
          `  iifname != ${pods} ip daddr { ${addresses.join(', ')} } th dport ${NODE_PORT_RANGE} ${jump}`,
        ]
      : []),
    ...(everywhere
      ? [
          `  iifname != ${pods} ip daddr != ${podFacing} fib daddr type local th dport ${NODE_PORT_RANGE} ${jump}`,
        ]
      : []),
    ' }',
    ' chain output { type nat hook output priority -100;',
    `  ip daddr ${services} jump services`,
    `  ip daddr ${podFacing} jump services`,
    everywhere
      ? `  fib daddr type local th dport ${NODE_PORT_RANGE} ${jump}`
      : `  ip daddr { ${[podFacing, '127.0.0.0/8', ...addresses].join(', ')} } th dport ${NODE_PORT_RANGE} ${jump}`,
    ' }',
    ' chain postrouting { type nat hook postrouting priority srcnat;',
    `  ip saddr . ip daddr @looped snat to ${podFacing}`,
    // By a node port on loopback: nobody answers to that address.
    `  ip saddr 127.0.0.0/8 oifname ${pods} snat to ${podFacing}`,
    '  ct status dnat ip daddr . meta l4proto . th dport @outside masquerade',
    `  ip saddr ${ranges.pods} ip daddr != ${ranges.pods} masquerade`,
    ' }',
  ];
}

function protection({ instance, ranges, openPorts }: TableFrame): string[] {
  const pods = `"${interfacePrefix(instance)}*"`;
  const open = (protocol: 'tcp' | 'udp'): string[] =>
    openPorts[protocol].length === 0
      ? []
      : [
          `  ip daddr ${ranges.podFacing} ${protocol} dport { ${openPorts[protocol].join(', ')} } accept`,
        ];
  return [
    ' chain input { type filter hook input priority filter; policy accept;',
    // The pod-facing address is on lo, where a neighbour on the network could route to it; a node port may lead there.
    `  iifname != ${pods} iifname != "lo" ip daddr ${ranges.podFacing} ct status dnat accept`,
    `  iifname != ${pods} iifname != "lo" ip daddr ${ranges.podFacing} drop`,
    `  iifname != ${pods} accept`,
    // Before what is established: many questions may come from one port.
    ...openPorts.udp.map(
      (port) =>
        `  ip daddr ${ranges.podFacing} udp dport ${port} update @askers { ip saddr limit rate over ${DATAGRAMS_PER_SECOND}/second burst ${DATAGRAMS_AT_ONCE} packets } drop`,
    ),
    '  ct state established,related accept',
    ...open('tcp'),
    ...open('udp'),
    `  ip daddr ${ranges.podFacing} icmp type echo-request accept`,
    // As a port that nobody serves: to be told no is better than to wait.
    `  ip daddr ${ranges.podFacing} meta l4proto tcp reject with tcp reset`,
    '  drop',
    ' }',
    ' chain forward { type filter hook forward priority filter; policy accept;',
    // What translation left alone is a service nobody serves: refuse at once instead of a timeout.
    ...refusal(ranges).map((rule) => `  ${rule}`),
    // Machines in clouds get their credentials there.
    `  iifname ${pods} ip daddr 169.254.0.0/16 reject with icmp admin-prohibited`,
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
