import type { Clock } from '#base/clock.ts';
import type { Random } from '#base/random.ts';
import { Service } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { parseServiceHost } from '#api/core-v1/service-host.ts';
import type { Informers } from '#client/informers.ts';
import type { ObjectChange } from '#client/object-cache.ts';
import { PlainBackend } from '../backend/plain-backend.ts';
import { PodProber } from '../backend/pod-prober.ts';
import { RevisionBackend, type ColdStartTimes } from '../backend/revision-backend.ts';
import { Deadlines } from '../deadlines.ts';
import type { RequestObserver } from '../observe/request-observer.ts';
import { podEndpoints } from './pod-endpoints.ts';

export interface ServiceDirectoryOptions {
  readonly informers: Informers;
  readonly clock: Clock;
  readonly random: Random;
  readonly clusterDomain: string;
  /** Names under which this gateway itself is a Service: requests that lead there are routed once more, not sent. */
  readonly ownHosts: readonly string[];
  readonly onDemand: (revision: { namespace: string; name: string }, waiting: number) => void;
  readonly onColdStart: (
    revision: { namespace: string; name: string },
    times: ColdStartTimes,
  ) => void;
  /** Who looks at the requests of a revision; undefined: nobody. */
  readonly observerOf: (revision: Revision) => RequestObserver | undefined;
  /** What `find` answers may have changed. */
  readonly onChange: () => void;
}

export interface ServicePort {
  readonly namespace: string;
  readonly service: string;
  readonly port: number | string;
}

/** Behind a Service: a backend, or this gateway. */
export type Found = RevisionBackend | PlainBackend | 'self';

const SERVICE_NAME = 'kubernetes.io/service-name';
/** An ExternalName may name a Service that is one itself; chains longer than this are a mistake. */
const EXTERNAL_NAMES_MAX = 4;
/** A pod that has been told to end is gone by then, and so is what was on its way about it. */
const ENDING_MS = 600_000;

/** What is behind each Service, kept current by watches; asked for every request, so answers are remembered. */
export class ServiceDirectory implements Disposable {
  readonly #options: ServiceDirectoryOptions;
  readonly #prober: PodProber;
  readonly #revisions = new Map<string, RevisionBackend>();
  /** Of revisions that were deleted while requests were in their pods, by the key that they had. */
  readonly #deleted = new Map<string, readonly RevisionBackend[]>();
  readonly #plain = new Map<string, PlainBackend>();
  readonly #found = new Map<string, Found>();
  /** By Service or Revision that was looked at on the way, what was found by it: that changes with it, and nothing else does. */
  readonly #foundBy = new Map<string, Set<string>>();
  /** The slices of each Service, by name. */
  readonly #slices = new Map<string, Map<string, EndpointSlice>>();
  /** Pods that have been told to end, by `namespace/name`. */
  readonly #ending: Deadlines<string>;
  readonly #subscriptions: readonly Disposable[];

  constructor(options: ServiceDirectoryOptions) {
    this.#options = options;
    const { informers, clock } = options;
    this.#ending = new Deadlines(clock, ENDING_MS, () => undefined);
    this.#prober = new PodProber(clock);
    this.#subscriptions = [
      informers.of(Revision).onChange((change) => this.#takeRevision(change)),
      informers.of(EndpointSlice).onChange((change) => this.#takeSlice(change)),
      informers.of(Service).onChange((change) => this.#takeService(change)),
    ];
  }

  /** Undefined where there is no such Service, or it is a revision's that does not exist. */
  find(port: ServicePort): Found | undefined {
    const key = `${port.namespace}/${port.service}:${port.port}`;
    const known = this.#found.get(key);
    if (known) return known;
    const passed: string[] = [];
    const found = this.#look(port, passed);
    // What is not there could be anything that somebody asks for.
    if (!found) return undefined;
    this.#found.set(key, found);
    for (const place of passed) {
      this.#foundBy.set(place, (this.#foundBy.get(place) ?? new Set()).add(key));
    }
    return found;
  }

  revision(namespace: string, name: string): RevisionBackend | undefined {
    return this.#revisions.get(`${namespace}/${name}`);
  }

  /** Whoever has, or had, pods under the name of that revision: itself, and what was deleted with requests in its pods. */
  allOf(namespace: string, name: string): readonly RevisionBackend[] {
    const key = `${namespace}/${name}`;
    const current = this.#revisions.get(key);
    return [...(current ? [current] : []), ...this.#stillIn(key)];
  }

  revisionOfPod(namespace: string, pod: string): RevisionBackend | undefined {
    const isOf = (backend: RevisionBackend): boolean => backend.pods.has(pod);
    for (const [key, backend] of this.#revisions) {
      if (key.startsWith(`${namespace}/`) && isOf(backend)) return backend;
    }
    for (const key of this.#deleted.keys()) {
      const found = key.startsWith(`${namespace}/`) && this.#stillIn(key).find(isOf);
      if (found) return found;
    }
    return undefined;
  }

  /** The pod is ending: what is heard of it later than this, which watches may bring late, makes no request go there. */
  noteEnding(namespace: string, pod: string): void {
    this.#ending.set(`${namespace}/${pod}`);
  }

  /** By `namespace/name`. */
  revisions(): ReadonlyMap<string, RevisionBackend> {
    return this.#revisions;
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#subscriptions) subscription[Symbol.dispose]();
    for (const backend of this.#revisions.values()) backend[Symbol.dispose]();
    for (const backend of [...this.#deleted.values()].flat()) backend[Symbol.dispose]();
    this.#ending[Symbol.dispose]();
    for (const backend of this.#plain.values()) backend[Symbol.dispose]();
  }

  /** Notes in `passed` by what it comes to its answer, the Services first. */
  #look(port: ServicePort, passed: string[]): Found | undefined {
    const { namespace, service: name } = port;
    passed.push(`${namespace}/${name}`);
    const service = this.#options.informers.of(Service).get({ namespace, name });
    if (!service) return undefined;
    const labels = service.metadata.labels ?? {};
    const revision = labels[networkingKeys.serverlessService];
    if (revision && labels[networkingKeys.serviceType] === 'Public') {
      passed.push(revisionPlace(`${namespace}/${revision}`));
      return this.#revisions.get(`${namespace}/${revision}`);
    }
    const { externalName } = service.spec ?? {};
    if (service.spec?.type !== 'ExternalName' || !externalName) return this.#plainOf(port, service);
    return this.#lookOutside(externalName, port, passed);
  }

  #lookOutside(externalName: string, port: ServicePort, passed: string[]): Found | undefined {
    const { ownHosts, clusterDomain } = this.#options;
    if (ownHosts.includes(externalName)) return 'self';
    const inside = parseServiceHost(externalName, clusterDomain);
    if (inside) {
      if (passed.length > EXTERNAL_NAMES_MAX) return undefined;
      return this.#look({ ...inside, port: port.port }, passed);
    }
    const backend = this.#plainBackend(`${port.namespace}/${port.service}:${port.port}`);
    const number = Number(port.port) || 80;
    const endpoint = { name: externalName, address: externalName, port: number };
    backend.setEndpoints([{ ...endpoint, isReady: true, isTerminating: false }]);
    return backend;
  }

  #plainOf(port: ServicePort, service: Service): PlainBackend {
    const serviceKey = `${port.namespace}/${port.service}`;
    const backend = this.#plainBackend(`${serviceKey}:${port.port}`);
    const ports = service.spec?.ports ?? [];
    const asked = ports.find((one) => one.name === port.port || one.port === Number(port.port));
    backend.setEndpoints(podEndpoints(this.#slicesOf(serviceKey), asked?.name));
    return backend;
  }

  #plainBackend(key: string): PlainBackend {
    const { clock, random } = this.#options;
    const backend = this.#plain.get(key) ?? new PlainBackend({ clock, random });
    this.#plain.set(key, backend);
    return backend;
  }

  #takeRevision({ previous, current }: ObjectChange<Revision>): void {
    const key = keyOf((current ?? previous)?.metadata);
    if (!current) {
      this.#end(key);
      this.#changed(revisionPlace(key));
    } else if (!this.#revisions.has(key)) {
      // Its spec never changes, so neither does its backend.
      const { clock, random, onDemand, onColdStart, observerOf } = this.#options;
      const { namespace = '', name = '' } = current.metadata;
      const backend = new RevisionBackend(current, {
        clock,
        random,
        isEnding: (pod) => this.#ending.has(`${namespace}/${pod}`),
        prober: this.#prober,
        onDemand: (waiting) => onDemand({ namespace, name }, waiting),
        onColdStart: (times) => onColdStart({ namespace, name }, times),
        observer: observerOf(current),
      });
      this.#revisions.set(key, backend);
      for (const service of this.#options.informers.of(Service).list(namespace)) {
        if (service.metadata.labels?.[networkingKeys.serverlessService] === name) {
          this.#updateEndpoints(keyOf(service.metadata));
        }
      }
      this.#changed(revisionPlace(key));
    }
  }

  #end(key: string): void {
    const backend = this.#revisions.get(key);
    if (!backend) return;
    backend.retire();
    this.#revisions.delete(key);
    // Its requests go on, and whoever ends its pods asks when they are over.
    this.#deleted.set(key, [...this.#stillIn(key), backend]);
    for (const other of this.#deleted.keys()) this.#stillIn(other);
  }

  /** Forgets those whose requests are over. */
  #stillIn(key: string): readonly RevisionBackend[] {
    const known = this.#deleted.get(key);
    if (!known) return [];
    const left = known.filter(({ pods }) => pods.hasLeaving);
    if (left.length === 0) this.#deleted.delete(key);
    else this.#deleted.set(key, left);
    return left;
  }

  #takeSlice({ previous, current }: ObjectChange<EndpointSlice>): void {
    const [before, now] = [serviceOf(previous), serviceOf(current)];
    if (previous && before !== undefined && before !== now) {
      const slices = this.#slices.get(before);
      slices?.delete(previous.metadata.name ?? '');
      if (slices?.size === 0) this.#slices.delete(before);
      this.#updateEndpoints(before);
    }
    if (!current || now === undefined) return;
    const slices = this.#slices.get(now) ?? new Map<string, EndpointSlice>();
    slices.set(current.metadata.name ?? '', current);
    this.#slices.set(now, slices);
    this.#updateEndpoints(now);
  }

  #takeService({ previous, current }: ObjectChange<Service>): void {
    const key = keyOf((current ?? previous)?.metadata);
    if (!current) {
      for (const [plainKey, backend] of this.#plain) {
        if (!plainKey.startsWith(`${key}:`)) continue;
        backend[Symbol.dispose]();
        this.#plain.delete(plainKey);
      }
    }
    this.#updateEndpoints(key);
    this.#changed(key);
  }

  #updateEndpoints(serviceKey: string): void {
    const [namespace = '', name = ''] = serviceKey.split('/');
    const service = this.#options.informers.of(Service).get({ namespace, name });
    const labels = service?.metadata.labels ?? {};
    if (labels[networkingKeys.serviceType] === 'Private') {
      const revision = labels[networkingKeys.serverlessService] ?? '';
      const endpoints = podEndpoints(this.#slicesOf(serviceKey), service?.spec?.ports?.[0]?.name);
      this.#revisions.get(`${namespace}/${revision}`)?.pods.setEndpoints(endpoints);
    }
    if (service?.spec?.type === 'ExternalName') return;
    for (const [key, backend] of this.#plain) {
      if (!service || !key.startsWith(`${serviceKey}:`)) continue;
      const { hasEndpoints } = backend;
      this.#plainOf({ namespace, service: name, port: key.slice(serviceKey.length + 1) }, service);
      if (hasEndpoints !== backend.hasEndpoints) this.#options.onChange();
    }
  }

  #slicesOf(serviceKey: string): EndpointSlice[] {
    return [...(this.#slices.get(serviceKey)?.values() ?? [])];
  }

  #changed(place: string): void {
    for (const key of this.#foundBy.get(place) ?? []) this.#found.delete(key);
    this.#foundBy.delete(place);
    this.#options.onChange();
  }
}

/** No Service has a name like that. */
function revisionPlace(key: string): string {
  return `revision ${key}`;
}

/** The Service whose slice it is, as `namespace/name`. */
function serviceOf(slice: EndpointSlice | undefined): string | undefined {
  const name = slice?.metadata.labels?.[SERVICE_NAME];
  return name === undefined ? undefined : `${slice?.metadata.namespace ?? ''}/${name}`;
}

function keyOf(metadata: { namespace?: string; name?: string } | undefined): string {
  return `${metadata?.namespace ?? ''}/${metadata?.name ?? ''}`;
}
