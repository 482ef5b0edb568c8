import { isIPv4 } from 'node:net';
import type { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import type { Service } from '#api/core-v1/service.ts';
import { formatIpv4, overlaps, parseCidr, type Cidr } from '#agent/network/ipv4.ts';

/** What the kernel has to know of Services, in pieces that are replaced one by one (nft-table.ts). */
export interface ServiceRules {
  /** Rules by chain. */
  readonly chains: ReadonlyMap<string, readonly string[]>;
  /** Declarations of sets that the rules fill themselves, by name. */
  readonly sets: ReadonlyMap<string, string>;
  /** By `${set} ${key}`: the verdict where the set is a map, else nothing. */
  readonly elements: ReadonlyMap<string, string>;
}

/** The machine as Services see it. */
export interface ServiceNode {
  readonly nodeName: string;
  readonly pods: string;
  /** Every LoadBalancer's address. */
  readonly podFacing: string;
  /** `tcp/6443`: ports of this machine that are the platform's, whatever a Service says. */
  readonly ownPorts: ReadonlySet<string>;
}

interface Target {
  readonly address: string;
  readonly port: number;
}

/** What a Service's port leads to. */
interface Backend {
  /** The chain, and of what the names of others that it needs begin with. */
  readonly name: string;
  readonly protocol: string;
  readonly targets: readonly Target[];
  /** Seconds for which a client stays with its endpoint; undefined: none. */
  readonly affinitySeconds: number | undefined;
}

/** A day: the most that the API takes. */
const AFFINITY_SECONDS_MAX = 86_400;
/** Clients remembered for one endpoint; those beyond it are sent anywhere. */
const AFFINITY_CLIENTS_MAX = 65_536;

/** `services` in order; where two claim one address and port, the first has it. */
export function mergeRules(services: Iterable<ServiceRules>): ServiceRules {
  const chains = new Map<string, readonly string[]>();
  const sets = new Map<string, string>();
  const elements = new Map<string, string>();
  for (const rules of services) {
    for (const [name, lines] of rules.chains) chains.set(name, lines);
    for (const [name, declaration] of rules.sets) sets.set(name, declaration);
    for (const [key, verdict] of rules.elements) if (!elements.has(key)) elements.set(key, verdict);
  }
  return { chains, sets, elements };
}

/**
 * What one Service adds, given its own EndpointSlices. Only what is valid comes through, whatever the objects say: one bad
 * line would keep the whole table from being loaded.
 */
export function rulesOf(
  service: Service,
  slices: readonly EndpointSlice[],
  node: ServiceNode,
): ServiceRules {
  const chains = new Map<string, readonly string[]>();
  const sets = new Map<string, string>();
  const elements = new Map<string, string>();
  const rules = { chains, sets, elements };
  const { spec } = service;
  if (!spec || spec.type === 'ExternalName') return rules;
  for (const port of spec.ports ?? []) {
    const protocol = (port.protocol ?? 'TCP').toLowerCase();
    if (protocol !== 'tcp' && protocol !== 'udp') continue;
    const all = targetsOf(slices, { name: port.name ?? '', protocol, nodeName: undefined });
    const local = targetsOf(slices, { name: port.name ?? '', protocol, nodeName: node.nodeName });
    const lead = (policy: string | undefined): string | undefined => {
      const isLocal = policy === 'Local' && local.length !== all.length;
      const targets = isLocal ? local : all;
      const name = `${service.metadata.uid ?? ''}_${protocol}_${port.port}${isLocal ? '_local' : ''}`;
      if (targets.length === 0) return undefined;
      const backend = { name, protocol, targets, affinitySeconds: affinityOf(service) };
      addBackend(rules, backend, node);
      return `goto service_${name}`;
    };
    const inside = lead(spec.internalTrafficPolicy);
    const address = spec.clusterIP ?? '';
    if (inside && isIPv4(address) && isPort(port.port))
      elements.set(`services ${address} . ${protocol} . ${port.port}`, inside);
    const outside = lead(spec.externalTrafficPolicy);
    if (!outside) continue;
    const isOwn = (number: number): boolean => node.ownPorts.has(`${protocol}/${number}`);
    const { nodePort } = port;
    if (nodePort !== undefined && isPort(nodePort) && !isOwn(nodePort))
      elements.set(`node_ports ${protocol} . ${nodePort}`, outside);
    if (hasIngress(service, node.podFacing) && isPort(port.port) && !isOwn(port.port)) {
      const guard = guarded(service, outside);
      const chain = `from_${service.metadata.uid ?? ''}_${protocol}_${port.port}`;
      if (guard) chains.set(chain, guard);
      const key = `services ${node.podFacing} . ${protocol} . ${port.port}`;
      elements.set(key, guard ? `goto ${chain}` : outside);
    }
  }
  return rules;
}

/** Only this machine's own address counts: what else a status says would draw other people's traffic here. */
function hasIngress({ spec, status }: Service, podFacing: string): boolean {
  if (spec?.type !== 'LoadBalancer') return false;
  return status?.loadBalancer?.ingress?.some(({ ip }) => ip === podFacing) ?? false;
}

/** The rules before a LoadBalancer that only some may use. */
function guarded({ spec }: Service, verdict: string): string[] | undefined {
  const ranges = spec?.loadBalancerSourceRanges ?? [];
  if (ranges.length === 0) return undefined;
  const blocks = ranges
    .map((range) => parseCidr(range.trim()))
    .filter((cidr) => cidr !== undefined);
  const accepts = blocks.map(
    ({ first, bits }) => `ip saddr ${formatIpv4(first)}/${bits} ${verdict}`,
  );
  return [...accepts, 'drop'];
}

function affinityOf({ spec }: Service): number | undefined {
  if (spec?.sessionAffinity !== 'ClientIP') return undefined;
  const seconds = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds ?? 10_800;
  return Math.min(Math.max(1, Math.floor(seconds)), AFFINITY_SECONDS_MAX);
}

function addBackend(
  rules: {
    readonly chains: Map<string, readonly string[]>;
    readonly sets: Map<string, string>;
    readonly elements: Map<string, string>;
  },
  backend: Backend,
  { pods, podFacing }: ServiceNode,
): void {
  const { name, protocol, targets, affinitySeconds } = backend;
  const podBlock = parseCidr(pods);
  for (const { address, port } of targets) {
    const block = parseCidr(address);
    const isPod = block && podBlock && overlaps(block, podBlock);
    // A pod that reaches itself through a Service would get an answer from its own address and drop it.
    if (isPod && address !== podFacing) rules.elements.set(`looped ${address} . ${address}`, '');
    // Who is not ours answers to this machine only.
    if (!isPod) rules.elements.set(`outside ${address} . ${protocol} . ${port}`, '');
  }
  if (affinitySeconds === undefined || targets.length === 1) {
    rules.chains.set(`service_${name}`, [translation(backend)]);
    return;
  }
  const each = targets.map((target) => {
    const suffix = `${name}_${target.address}_${target.port}`;
    const set = `clients_${suffix}_${affinitySeconds}`;
    return { target, set, chain: `endpoint_${suffix}` };
  });
  for (const { target, set, chain } of each) {
    rules.sets.set(
      set,
      `type ipv4_addr; flags dynamic,timeout; timeout ${affinitySeconds}s; size ${AFFINITY_CLIENTS_MAX};`,
    );
    // Apart: the translation is done also where the set takes no more.
    rules.chains.set(chain, [
      `update @${set} { ip saddr }`,
      translation({ ...backend, targets: [target] }),
    ]);
  }
  const places = each.map(({ chain }, index) => `${index} : goto ${chain}`);
  rules.chains.set(`service_${name}`, [
    ...each.map(({ set, chain }) => `ip saddr @${set} goto ${chain}`),
    `numgen random mod ${each.length} vmap { ${places.join(', ')} }`,
  ]);
}

function translation({ protocol, targets }: Backend): string {
  const [only] = targets;
  if (only && targets.length === 1)
    return `meta l4proto ${protocol} dnat to ${only.address}:${only.port}`;
  const places = targets.map(({ address, port }, index) => `${index} : ${address} . ${port}`);
  return `meta l4proto ${protocol} dnat ip addr . port to numgen random mod ${targets.length} map { ${places.join(', ')} }`;
}

/**
 * Where a Service's port leads: what is ready; where nothing is, what is about to end and still serves. With `nodeName`
 * only what runs there.
 */
function targetsOf(
  slices: readonly EndpointSlice[],
  wanted: {
    readonly name: string;
    readonly protocol: string;
    readonly nodeName: string | undefined;
  },
): readonly Target[] {
  const ready = new Map<string, Target>();
  const ending = new Map<string, Target>();
  for (const slice of slices) {
    if (slice.addressType !== 'IPv4') continue;
    const port = slice.ports?.find(
      ({ name, protocol }) =>
        (name ?? '') === wanted.name && (protocol ?? 'TCP').toLowerCase() === wanted.protocol,
    )?.port;
    if (port === undefined || !isPort(port)) continue;
    for (const { addresses, conditions, nodeName } of slice.endpoints) {
      const [address = ''] = addresses;
      if (!isPlace(address)) continue;
      if (wanted.nodeName !== undefined && nodeName !== wanted.nodeName) continue;
      const target = { address, port };
      const { ready: isReady = true, terminating, serving = isReady } = conditions ?? {};
      if (isReady) ready.set(`${address}:${port}`, target);
      else if (terminating && serving) ending.set(`${address}:${port}`, target);
    }
  }
  return [...(ready.size > 0 ? ready : ending).values()];
}

/** Never an endpoint: this machine's own loopback, metadata services, nobody, everybody. */
const NO_PLACES = ['0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3'].map(
  (text) => parseCidr(text) as Cidr, // Constants, and well formed.
);

function isPlace(address: string): boolean {
  const block = isIPv4(address) ? parseCidr(address) : undefined;
  return block !== undefined && !NO_PLACES.some((other) => overlaps(block, other));
}

function isPort(port: number): boolean {
  return Number.isInteger(port) && port > 0 && port < 65_536;
}
