import type { Clock } from '#base/clock.ts';
import { Pod, type PodEndpoint } from './pod.ts';
import type { PodProber } from './pod-prober.ts';
import type { ReadinessProbe } from './readiness-probe.ts';

export interface RevisionPodsOptions {
  readonly probe: ReadinessProbe;
  readonly clock: Clock;
  /** Whether the pod of that name has been told to end, whoever lists it. */
  readonly isEnding?: ((name: string) => boolean) | undefined;
  readonly prober: PodProber;
  /** `usable` has changed. */
  readonly onChange: () => void;
}

/** What is known of one pod. */
interface Known {
  readonly pod: Pod;
  /** Announced, and not listed by any EndpointSlice yet. */
  isHint: boolean;
  isListedReady: boolean;
  isTerminating: boolean;
  isUsable: boolean;
  probing: Disposable | undefined;
  /** Called when the pod, chosen no more, has no request of ours left; each of its containers may wait for that. */
  readonly onDrained: Set<() => void>;
}

const EMPTY: readonly Pod[] = [];
/** Upstream's progress deadline: a pod that was announced and has not come by then will not. */
const HINT_MS = 600_000;

/**
 * The pods of one revision and which of them take requests. A pod is ready when the API says so or when we asked it
 * ourselves, whichever is first; one that cannot be connected to is not ready until it can be again.
 */
export class RevisionPods implements Disposable {
  readonly #options: RevisionPodsOptions;
  readonly #known = new Map<string, Known>();
  /** Gone for the API, with requests of ours still in them; of one name there may be several. */
  readonly #leaving = new Map<Pod, Known>();
  #usable: readonly Pod[] = EMPTY;

  constructor(options: RevisionPodsOptions) {
    this.#options = options;
  }

  /** In the order of their names. */
  get usable(): readonly Pod[] {
    return this.#usable;
  }

  /** Whether pods that are gone for the API have requests of ours still. */
  get hasLeaving(): boolean {
    return this.#leaving.size > 0;
  }

  /** Also where it is gone but for requests of ours. */
  has(name: string): boolean {
    return this.#allOf(name).length > 0;
  }

  /** What the EndpointSlices list now: the truth, for every pod that they have ever listed. */
  setEndpoints(endpoints: readonly PodEndpoint[]): void {
    const listed = new Set(endpoints.map((endpoint) => endpoint.name));
    for (const [name, known] of this.#known) {
      if (!listed.has(name) && !known.isHint) this.#remove(known);
    }
    for (const endpoint of endpoints) this.#list(endpoint);
    this.#update();
  }

  /** A pod is coming. Does nothing where it is known. */
  hint(endpoint: Pick<PodEndpoint, 'name' | 'address' | 'port'>): void {
    if (this.#known.has(endpoint.name)) return;
    const known = this.#add({ ...endpoint, isReady: false, isTerminating: false });
    known.isHint = true;
    this.#probe(known);
  }

  /** The announced pod does not come. Does nothing where an EndpointSlice lists it. */
  unhint(name: string): void {
    const known = this.#known.get(name);
    if (!known?.isHint) return;
    this.#remove(known);
    this.#update();
  }

  /** No announced pod that is not listed yet can be relied on. */
  unhintAll(): void {
    for (const known of this.#known.values()) if (known.isHint) this.#remove(known);
    this.#update();
  }

  /**
   * Chooses the pod no more; calls `onDrained` once no request of ours is in it, at once where none is or it is unknown. What
   * changed the protocol is none: a WebSocket has no end to wait for, and its program says goodbye when it is told to stop.
   * Not called any more once what is returned is disposed of.
   */
  drain(name: string, onDrained: () => void): Disposable {
    const all = this.#allOf(name);
    let left = all.length;
    const released = (): void => {
      left -= 1;
      if (left === 0) onDrained();
    };
    if (left === 0) onDrained();
    for (const known of all) {
      known.isTerminating = true;
      known.onDrained.add(released);
    }
    if (left > 0) this.#update();
    for (const { pod } of all) this.released(pod);
    return {
      [Symbol.dispose]() {
        for (const known of all) known.onDrained.delete(released);
      },
    };
  }

  /** A request has left the pod, or is none any more. */
  released(pod: Pod): void {
    if (pod.inFlight > pod.upgraded) return;
    const leaving = this.#leaving.get(pod);
    if (leaving && pod.inFlight === 0) {
      this.#leaving.delete(pod);
      pod[Symbol.dispose]();
    }
    const known = leaving ?? this.#known.get(pod.name);
    if (known?.pod !== pod || !known.isTerminating) return;
    const waiting = [...known.onDrained];
    known.onDrained.clear();
    for (const drained of waiting) drained();
  }

  /** The pod could not be connected to. */
  suspect(pod: Pod): void {
    const known = this.#known.get(pod.name);
    if (known?.pod !== pod || known.probing) return;
    known.isUsable = false;
    this.#ask(known, { type: 'tcp', port: undefined });
    this.#update();
  }

  [Symbol.dispose](): void {
    for (const known of this.#known.values()) this.#remove(known);
    this.#usable = EMPTY;
  }

  #list(endpoint: PodEndpoint): void {
    let known = this.#known.get(endpoint.name);
    if (known && (known.pod.address !== endpoint.address || known.pod.port !== endpoint.port)) {
      this.#remove(known);
      known = undefined;
    }
    const isNew = known === undefined;
    known ??= this.#add(endpoint);
    const wasListedReady = known.isListedReady;
    known.isHint = false;
    known.isListedReady = endpoint.isReady;
    known.isTerminating ||= endpoint.isTerminating;
    if (endpoint.isReady && !wasListedReady) this.#setUsable(known);
    else if (!endpoint.isReady && (isNew || wasListedReady) && !endpoint.isTerminating) {
      known.isUsable = false;
      this.#probe(known);
    }
  }

  /** One that comes back under requests of ours is the same as before: they count in it. */
  #add(endpoint: PodEndpoint): Known {
    const { name, address, port } = endpoint;
    const before = this.#allOf(name).find(
      ({ pod }) => pod.address === address && pod.port === port,
    );
    const known: Known = {
      pod: before?.pod ?? new Pod(endpoint, this.#options.clock),
      isHint: false,
      isListedReady: false,
      // Who is to be drained is never chosen again.
      isTerminating: before?.isTerminating ?? this.#options.isEnding?.(name) ?? false,
      isUsable: false,
      probing: undefined,
      onDrained: before?.onDrained ?? new Set(),
    };
    this.#leaving.delete(known.pod);
    this.#known.set(name, known);
    return known;
  }

  #remove(known: Known): void {
    const { pod } = known;
    this.#known.delete(pod.name);
    known.probing?.[Symbol.dispose]();
    known.probing = undefined;
    if (pod.inFlight > 0) this.#leaving.set(pod, known);
    else pod[Symbol.dispose]();
  }

  /** Those of that name: the one that is listed or announced, and those that are leaving. */
  #allOf(name: string): readonly Known[] {
    const known = this.#known.get(name);
    const leaving = [...this.#leaving.values()].filter(({ pod }) => pod.name === name);
    return known ? [known, ...leaving] : leaving;
  }

  #probe(known: Known): void {
    const { probe } = this.#options;
    // One that merely asked whether it can be connected to must not contradict the agent.
    known.probing?.[Symbol.dispose]();
    known.probing = undefined;
    if (probe.type !== 'agent') this.#ask(known, probe);
  }

  #ask(known: Known, probe: Exclude<ReadinessProbe, { type: 'agent' }>): void {
    const { address, port, pool } = known.pod;
    known.probing?.[Symbol.dispose]();
    known.probing = this.#options.prober.untilReady({
      address,
      port,
      probe,
      keepsAsking: (elapsedMs) => {
        const isLate = known.isHint && elapsedMs > HINT_MS;
        if (isLate) this.unhint(known.pod.name);
        return !isLate;
      },
      onReady: (socket) => {
        if (socket) pool.adopt(socket);
        this.#setUsable(known);
        this.#update();
      },
    });
  }

  #setUsable(known: Known): void {
    known.probing?.[Symbol.dispose]();
    known.probing = undefined;
    known.isUsable = true;
  }

  #update(): void {
    const usable = [...this.#known.values()].filter(
      (known) => known.isUsable && !known.isTerminating,
    );
    this.#usable = usable.map((known) => known.pod).toSorted((a, b) => (a.name < b.name ? -1 : 1));
    this.#options.onChange();
  }
}
