import { sleep, type Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { Lease } from '#api/coordination-v1/lease.ts';
import { hasReason } from '#api/meta/api-error.ts';
import type { Client } from '#client/client.ts';

export interface ElectionOptions {
  /** Reads and writes the cluster itself. */
  readonly client: Client;
  readonly lease: { readonly namespace: string; readonly name: string };
  /** Of this process, and of no other that ever asks for the lease. */
  readonly identity: string;
  /** Asked whenever they matter. */
  readonly times: () => LeaseTimes;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Ends the wait for the lease. */
  readonly signal: AbortSignal;
}

/** The lease is this process's until it is disposed, which gives it to whoever waits. */
export interface Leadership extends AsyncDisposable {
  /** Aborted when the lease could not be renewed in time: another may lead from now on. */
  readonly lost: AbortSignal;
}

interface LeaseTimes {
  /** So long after the holder was last seen nobody else takes the lease. */
  readonly leaseDurationMs: number;
  /** A holder that could not renew for so long gives up; less than the above. */
  readonly renewDeadlineMs: number;
  /** Between two attempts, to take or to renew. */
  readonly retryPeriodMs: number;
}

const JITTER = 1.2;

/**
 * Waits until this process is the one leader of its kind (Kubernetes' Leases, as client-go uses them) and keeps it so. A
 * holder counts as gone when its lease has not changed for as long as it says, by this machine's own clock: clocks of
 * others are not believed. Rejects with the signal's reason.
 */
export async function becomeLeader(options: ElectionOptions): Promise<Leadership> {
  const candidate = new Candidate(options);
  while (!(await candidate.attempt())) await candidate.pause(options.signal);
  return candidate.lead();
}

class Candidate {
  readonly #options: ElectionOptions;
  /** What was last seen of the lease, and when first so. */
  #seen = { version: '', sinceMs: 0 };

  constructor(options: ElectionOptions) {
    this.#options = options;
  }

  async pause(signal: AbortSignal): Promise<void> {
    const { clock, random } = this.#options;
    const { retryPeriodMs } = this.#options.times();
    await sleep(clock, retryPeriodMs * (1 + random.fraction() * (JITTER - 1)), signal);
    signal.throwIfAborted();
  }

  /** Takes or renews the lease; false where another has it, or the cluster did not answer. */
  async attempt(): Promise<boolean> {
    const { client, lease, identity, log, signal } = this.#options;
    signal.throwIfAborted();
    try {
      const current = await client.get(Lease, lease);
      if (!current) {
        await client.create(Lease, this.#desired());
        return true;
      }
      if (current.spec?.holderIdentity !== identity && !this.#isFree(current)) return false;
      await client.update(Lease, this.#desired(current));
      return true;
    } catch (error) {
      // Another was faster.
      if (hasReason(error, 'Conflict') || hasReason(error, 'AlreadyExists')) return false;
      log.warn('leader election: the lease could not be asked for', { error });
      return false;
    }
  }

  lead(): Leadership {
    const { client, identity, lease } = this.#options;
    const lost = new AbortController();
    const stop = new AbortController();
    const renewing = this.#renew(lost, stop.signal);
    return {
      lost: lost.signal,
      [Symbol.asyncDispose]: async () => {
        stop.abort();
        await renewing;
        const current = await client.get(Lease, lease);
        if (current?.spec?.holderIdentity !== identity) return;
        const spec = { ...current.spec, holderIdentity: '', leaseDurationSeconds: 1 };
        await client.update(Lease, { ...current, spec });
      },
    };
  }

  async #renew(lost: AbortController, signal: AbortSignal): Promise<void> {
    const { clock, log } = this.#options;
    let renewedMs = clock.monotonicMs();
    for (;;) {
      const { retryPeriodMs, renewDeadlineMs } = this.#options.times();
      await sleep(clock, retryPeriodMs, signal).catch(() => undefined);
      if (signal.aborted) return;
      const startMs = clock.monotonicMs();
      if (await this.attempt().catch(() => false)) renewedMs = startMs;
      else if (clock.monotonicMs() - renewedMs >= renewDeadlineMs) {
        log.error('leader election: the lease was not renewed in time');
        lost.abort(new Error('the lease was not renewed in time'));
        return;
      }
    }
  }

  #isFree({ metadata, spec }: Lease): boolean {
    const { clock } = this.#options;
    const version = metadata.resourceVersion ?? '';
    if (!spec?.holderIdentity) return true;
    if (this.#seen.version !== version) this.#seen = { version, sinceMs: clock.monotonicMs() };
    const heldMs = (spec.leaseDurationSeconds ?? leaseSeconds(this.#options)) * 1000;
    return clock.monotonicMs() - this.#seen.sinceMs >= heldMs;
  }

  #desired(current?: Lease): Lease {
    const { lease, identity, clock } = this.#options;
    const now = clock.now().toISOString().replace('Z', '000Z');
    const { leaseTransitions = 0, acquireTime = now, holderIdentity } = current?.spec ?? {};
    const isOurs = holderIdentity === identity;
    return {
      apiVersion: 'coordination.k8s.io/v1',
      kind: 'Lease',
      metadata: current?.metadata ?? { ...lease },
      spec: {
        holderIdentity: identity,
        leaseDurationSeconds: leaseSeconds(this.#options),
        acquireTime: isOurs ? acquireTime : now,
        renewTime: now,
        leaseTransitions: current && !isOurs ? leaseTransitions + 1 : leaseTransitions,
      },
    };
  }
}

/** A Lease has whole seconds. */
function leaseSeconds({ times }: Pick<ElectionOptions, 'times'>): number {
  return Math.ceil(times().leaseDurationMs / 1000);
}
