import { isIP, isIPv4 } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import type { Random } from '#base/random.ts';
import { hasNodePorts, isHeadless, type Service } from '#api/core-v1/service.ts';
import type { ServiceSpec } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { ApiError, forbidden, invalid } from '#api/meta/api-error.ts';
import { wrongValue } from '#api/meta/field-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import type { AdmissionStep } from '#apiserver/admission/admit.ts';
import { addressAt, parseRange, type AddressRange } from '#apiserver/admission/address-range.ts';
import type { KindTable } from '#apiserver/kind-table.ts';
import { objectOf, prefixOf } from '#apiserver/stored-object.ts';
import type { Entry, Store } from '#store/store.ts';

/*
 * Which addresses and ports are taken is read from the Services themselves: there is no second record that a crash could
 * leave wrong, and a deleted Service gives back what it had by being gone. What is chosen for a write that is not yet in
 * the store is held aside until that write ends.
 */

export interface ServiceAddressOptions {
  /** IPv4, as `10.96.0.0/16`; its first and last address are not handed out. */
  readonly range: string;
  /** Addresses in the range that only a Service which names them gets: that of the API server, of DNS. */
  readonly reserved?: readonly string[];
  /** Both ends count; Kubernetes' 30000 to 32767 unless told. */
  readonly nodePorts?: { readonly first: number; readonly last: number };
}

const NODE_PORTS = { first: 30_000, last: 32_767 };

interface Taken {
  readonly addresses: Set<string>;
  readonly nodePorts: Set<number>;
}

/** Gives every Service that needs them a ClusterIP and node ports. Throws Invalid for one that is taken or outside. */
export function serviceAddresses(
  store: Store,
  kinds: KindTable,
  options: ServiceAddressOptions & { readonly random: Random },
): AdmissionStep {
  const range = parseRange(options.range);
  const pending: Taken = { addresses: new Set(), nodePorts: new Set() };
  const reserved: ReadonlySet<string> = new Set(options.reserved);
  const services = kinds.byPlural('', 'v1', 'services');
  const prefix = services ? prefixOf(services, undefined) : '';

  return {
    handles: (kind) => kind === services,
    async admit(object, { previous, kind, subresource }) {
      if (subresource !== undefined) return undefined;
      // `handles` lets only Services through, whose fields the schema has checked.
      const service = object as Service;
      denyExternalAddresses(service, previous as Service | undefined, kind);
      // Until it is what the store holds now: meanwhile a reservation may have become a Service.
      let listing = await store.list(prefix);
      while (listing.at !== store.revision) listing = await store.list(prefix);
      // From here to the reservation nothing waits, so no other write can come between.
      const taken = takenBy(listing.entries, pending, service.metadata.uid);
      const address = assignAddress(service, {
        previous,
        kind,
        range,
        reserved,
        taken,
        random: options.random,
      });
      const nodePorts = assignNodePorts(service, {
        previous,
        kind,
        taken,
        random: options.random,
        options,
      });
      if (address !== undefined) pending.addresses.add(address);
      for (const port of nodePorts) pending.nodePorts.add(port);
      return {
        [Symbol.dispose]() {
          if (address !== undefined) pending.addresses.delete(address);
          for (const port of nodePorts) pending.nodePorts.delete(port);
        },
      };
    },
  };
}

function takenBy(entries: readonly Entry[], pending: Taken, uid: string | undefined): Taken {
  const taken: Taken = {
    addresses: new Set(pending.addresses),
    nodePorts: new Set(pending.nodePorts),
  };
  for (const entry of entries) {
    const object = objectOf<Service>(entry);
    if (object.metadata.uid === uid) continue;
    if (object.spec?.clusterIP) taken.addresses.add(object.spec.clusterIP);
    for (const port of portsOf(object)) taken.nodePorts.add(port);
  }
  return taken;
}

type Named = Parameters<typeof invalid>[0];

/**
 * As Kubernetes' admission plugin DenyServiceExternalIPs: whoever may name any address would draw other people's traffic to
 * it. Those that are there already may stay.
 */
function denyExternalAddresses(service: Service, before: Service | undefined, kind: Named): void {
  const known = new Set(before?.spec?.externalIPs);
  if ((service.spec?.externalIPs ?? []).every((address) => known.has(address))) return;
  const why = 'Use of external IPs is denied by admission control';
  throw forbidden(kind, service.metadata.name ?? '', why);
}

function assignAddress(
  service: Service,
  choice: {
    readonly previous: KubeObject | undefined;
    readonly kind: Named;
    readonly range: AddressRange;
    readonly reserved: ReadonlySet<string>;
    readonly taken: Taken;
    readonly random: Random;
  },
): string | undefined {
  const { kind, taken, range } = choice;
  const spec = (service.spec ??= {});
  const { name = '' } = service.metadata;
  if (spec.type === 'ExternalName') {
    for (const field of ['clusterIP', 'clusterIPs', 'ipFamilies', 'ipFamilyPolicy'] as const)
      delete spec[field];
    return undefined;
  }
  const before = (choice.previous as Service | undefined)?.spec;
  // A client that replaces a Service need not repeat what it was given.
  if (before?.clusterIP && before.type !== 'ExternalName') {
    spec.clusterIP ||= before.clusterIP;
    // What it may not have validation says.
    if (spec.clusterIP !== before.clusterIP) {
      if (isDeepStrictEqual(spec.clusterIPs, before.clusterIPs)) spec.clusterIPs = [spec.clusterIP];
      return undefined;
    }
  }
  if (!spec.clusterIP && spec.clusterIPs?.length) return undefined;
  // Whose endpoints somebody else writes may have addresses of both families.
  const isOpen = isHeadless(service) && Object.keys(spec.selector ?? {}).length === 0;
  const unserved = isOpen ? [] : otherFamilyErrors(spec);
  if (unserved.length > 0) throw invalid(kind, name, unserved);
  spec.clusterIP ||= freeAddress(choice);
  spec.clusterIPs ??= [spec.clusterIP];
  spec.ipFamilyPolicy ??= isOpen ? 'RequireDualStack' : 'SingleStack';
  spec.ipFamilies ??= spec.ipFamilyPolicy === 'RequireDualStack' ? ['IPv4', 'IPv6'] : ['IPv4'];
  // What it has already is its own, also while another write of the same Service is under way.
  if (isHeadless(service) || spec.clusterIP === before?.clusterIP) return undefined;
  if (isIP(spec.clusterIP) === 0) return undefined;
  const problem =
    !isIPv4(spec.clusterIP) || !range.contains(spec.clusterIP)
      ? 'the provided network does not match the current range'
      : taken.addresses.has(spec.clusterIP) && 'provided IP is already allocated';
  if (problem) {
    const why = `failed to allocate IP ${spec.clusterIP}: ${problem}`;
    throw invalid(kind, name, [wrongValue('spec.clusterIPs', [spec.clusterIP], why)]);
  }
  return spec.clusterIP;
}

/** Addresses of Services are of one family here. */
function otherFamilyErrors({ ipFamilies = [], ipFamilyPolicy }: ServiceSpec): FieldError[] {
  const why = 'this cluster is not configured for dual-stack services';
  return [
    ...(ipFamilyPolicy === 'RequireDualStack'
      ? [wrongValue('spec.ipFamilyPolicy', ipFamilyPolicy, why)]
      : []),
    ...ipFamilies.flatMap((family, index) =>
      family === 'IPv6'
        ? [wrongValue(`spec.ipFamilies[${index}]`, family, 'not configured on this cluster')]
        : [],
    ),
  ];
}

/** From a place that chance chooses, so that an address just given back is seldom the next one handed out. */
function freeAddress({
  range,
  reserved,
  taken,
  random,
}: {
  readonly range: AddressRange;
  readonly reserved: ReadonlySet<string>;
  readonly taken: Taken;
  readonly random: Random;
}): string {
  const start = Math.floor(random.fraction() * range.size);
  for (let tried = 0; tried < range.size; tried += 1) {
    const address = addressAt(range, (start + tried) % range.size);
    if (!taken.addresses.has(address) && !reserved.has(address)) return address;
  }
  throw new ApiError(
    'InternalError',
    `Internal error occurred: failed to allocate a serviceIP: range is full: all ${range.size} addresses of ${range.text} are taken`,
  );
}

function assignNodePorts(
  service: Service,
  choice: {
    readonly previous: KubeObject | undefined;
    readonly kind: Named;
    readonly taken: Taken;
    readonly random: Random;
    readonly options: ServiceAddressOptions;
  },
): number[] {
  const { kind, taken, options } = choice;
  const ports = service.spec?.ports ?? [];
  if (!hasNodePorts(service)) return [];
  if (service.spec?.allocateLoadBalancerNodePorts === false) {
    return portsOf(service);
  }
  const { first, last } = options.nodePorts ?? NODE_PORTS;
  const held = new Set(portsOf(choice.previous as Service | undefined));
  const chosen = new Set<number>();
  for (const [index, port] of ports.entries()) {
    const problem = port.nodePort && nodePortProblem(port.nodePort, { ...choice, held });
    if (problem) {
      const error = wrongValue(`spec.ports[${index}].nodePort`, port.nodePort, problem);
      throw invalid(kind, service.metadata.name ?? '', [error]);
    }
    // One port by two protocols, as that of DNS, is one node port.
    const twin = ports.find((other) => other.port === port.port && other.nodePort);
    const free = (): number =>
      freePort({ first, last }, new Set([...taken.nodePorts, ...chosen]), choice.random);
    port.nodePort ||= twin?.nodePort ?? free();
    chosen.add(port.nodePort);
  }
  return [...chosen].filter((port) => !held.has(port));
}

function nodePortProblem(
  port: number,
  {
    taken,
    held,
    options,
  }: { taken: Taken; held: ReadonlySet<number>; options: ServiceAddressOptions },
): string | undefined {
  const { first, last } = options.nodePorts ?? NODE_PORTS;
  if (held.has(port)) return undefined;
  if (port < first || port > last)
    return `provided port is not in the valid range. The range of valid ports is ${first}-${last}`;
  return taken.nodePorts.has(port) ? 'provided port is already allocated' : undefined;
}

function portsOf(service: Service | undefined): number[] {
  return (service?.spec?.ports ?? []).flatMap(({ nodePort }) => (nodePort ? [nodePort] : []));
}

function freePort(
  { first, last }: { first: number; last: number },
  taken: ReadonlySet<number>,
  random: Random,
): number {
  const size = last - first + 1;
  const start = Math.floor(random.fraction() * size);
  for (let tried = 0; tried < size; tried += 1) {
    const port = first + ((start + tried) % size);
    if (!taken.has(port)) return port;
  }
  throw new ApiError(
    'InternalError',
    `Internal error occurred: failed to allocate a nodePort: range is full: ${first} to ${last} are all taken`,
  );
}
