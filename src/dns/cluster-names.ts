import { Service } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import type { Informers } from '#client/informers.ts';
import type { ObjectChange } from '#client/object-cache.ts';

/** One endpoint of a Service as DNS sees it. */
export interface NamedEndpoint {
  /** The pod's hostname where it has one, else its address with dashes. */
  readonly hostname: string;
  readonly address: string;
  readonly ports: readonly NamedPort[];
}

interface NamedPort {
  readonly name: string;
  /** `tcp` or `udp`. */
  readonly protocol: string;
  readonly port: number;
}

/** What names and addresses the cluster has; read by the zone. */
export interface ClusterNames {
  service(namespace: string, name: string): Service | undefined;
  hasNamespace(namespace: string): boolean;
  /** Of a Service: ready ones only, unless it publishes the others too. */
  endpoints(service: Service): readonly NamedEndpoint[];
  /** Services whose cluster IP it is, or that have an endpoint there with the hostname it has in them. */
  atAddress(address: string): readonly { service: Service; hostname?: string }[];
}

const SERVICE_NAME = 'kubernetes.io/service-name';

/** The cluster's names by watches, with the indexes that queries need. */
export class WatchedNames implements ClusterNames, Disposable {
  readonly #informers: Informers;
  readonly #slices = new Index<EndpointSlice>();
  readonly #byClusterIp = new Index<Service>();
  readonly #byAddress = new Index<EndpointSlice>();
  readonly #subscriptions: readonly Disposable[];

  constructor(informers: Informers) {
    this.#informers = informers;
    this.#subscriptions = [
      informers.of(Service).onChange((change) => this.#takeService(change)),
      informers.of(EndpointSlice).onChange((change) => this.#takeSlice(change)),
    ];
  }

  service(namespace: string, name: string): Service | undefined {
    return this.#informers.of(Service).get({ namespace, name });
  }

  hasNamespace(namespace: string): boolean {
    return this.#informers.of(Service).list(namespace).length > 0;
  }

  endpoints(service: Service): readonly NamedEndpoint[] {
    const withNotReady = service.spec?.publishNotReadyAddresses ?? false;
    return this.#slices.get(keyOf(service.metadata)).flatMap((slice) => {
      const ports = (slice.ports ?? []).map((port) => ({
        name: port.name ?? '',
        protocol: (port.protocol ?? 'TCP').toLowerCase(),
        port: port.port ?? 0,
      }));
      return slice.endpoints
        .filter(({ conditions }) => withNotReady || (conditions?.ready ?? true))
        .flatMap(({ addresses, hostname }) =>
          addresses.map((address) => ({
            hostname: hostname ?? dashed(address),
            address,
            ports,
          })),
        );
    });
  }

  atAddress(address: string): readonly { service: Service; hostname?: string }[] {
    const services = this.#byClusterIp.get(address).map((service) => ({ service }));
    const endpoints = this.#byAddress.get(address).flatMap((slice) => {
      const { namespace = '', labels } = slice.metadata;
      const service = this.service(namespace, labels?.[SERVICE_NAME] ?? '');
      const endpoint = slice.endpoints.find(({ addresses }) => addresses.includes(address));
      if (!service || !isHeadless(service) || !endpoint) return [];
      return [{ service, hostname: endpoint.hostname ?? dashed(address) }];
    });
    return [...services, ...endpoints];
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
  }

  #takeService({ previous, current }: ObjectChange<Service>): void {
    const ipsOf = ({ spec }: Service): readonly string[] =>
      spec?.clusterIPs ?? (spec?.clusterIP ? [spec.clusterIP] : []);
    if (previous) for (const ip of ipsOf(previous)) this.#byClusterIp.drop(ip, previous);
    if (current) for (const ip of ipsOf(current)) this.#byClusterIp.put(ip, current);
  }

  #takeSlice({ previous, current }: ObjectChange<EndpointSlice>): void {
    if (previous) {
      this.#slices.drop(serviceOf(previous), previous);
      for (const address of addressesOf(previous)) this.#byAddress.drop(address, previous);
    }
    if (current) {
      this.#slices.put(serviceOf(current), current);
      for (const address of addressesOf(current)) this.#byAddress.put(address, current);
    }
  }
}

export function isHeadless(service: Service): boolean {
  return service.spec?.clusterIP === 'None';
}

/** How an address without a name is written as one label. */
function dashed(address: string): string {
  return address.replaceAll(/[.:]/g, '-');
}

/** Objects by some value of theirs. */
class Index<T extends { metadata: { namespace?: string; name?: string } }> {
  readonly #objects = new Map<string, Map<string, T>>();

  get(value: string): T[] {
    return [...(this.#objects.get(value)?.values() ?? [])];
  }

  put(value: string, object: T): void {
    const bucket = this.#objects.get(value) ?? new Map<string, T>();
    bucket.set(keyOf(object.metadata), object);
    this.#objects.set(value, bucket);
  }

  drop(value: string, object: T): void {
    const bucket = this.#objects.get(value);
    bucket?.delete(keyOf(object.metadata));
    if (bucket?.size === 0) this.#objects.delete(value);
  }
}

function serviceOf({ metadata }: EndpointSlice): string {
  return `${metadata.namespace ?? ''}/${metadata.labels?.[SERVICE_NAME] ?? ''}`;
}

function addressesOf(slice: EndpointSlice): string[] {
  return slice.endpoints.flatMap(({ addresses }) => addresses);
}

function keyOf(metadata: { namespace?: string; name?: string }): string {
  return `${metadata.namespace ?? ''}/${metadata.name ?? ''}`;
}
