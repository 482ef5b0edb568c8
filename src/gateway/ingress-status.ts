import { isDeepStrictEqual } from 'node:util';
import { backoffMs } from '#base/backoff.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { hasReason } from '#api/meta/api-error.ts';
import { Conditions, isReady } from '#api/meta/conditions.ts';
import type { StatusOf } from '#api/kind.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import type { Client } from '#client/client.ts';
import type { MissingBackend } from './route/missing-backend.ts';
import { keyOf, type Rejection } from './route/route-table.ts';
import type { CertificateProblem } from './tls/serving-certificates.ts';

/** What the gateway knows of one Ingress. */
export interface IngressFacts {
  /** Names of the gateway's Services, by which pods reach it. */
  readonly publicHost: string;
  readonly privateHost: string;
  readonly rejection: Rejection | undefined;
  readonly missing: MissingBackend | undefined;
  /** Of a Secret that it names. */
  readonly certificateProblem: CertificateProblem | undefined;
  readonly now: Date;
}

const WAITING = 'Waiting for load balancer to be ready';

/** The status of an Ingress whose generation the live table holds, or refused to hold. */
export function ingressStatus(ingress: Ingress, facts: IngressFacts): StatusOf<Ingress> {
  const { rejection, missing, certificateProblem, now } = facts;
  const previous = ingress.status?.conditions;
  const conditions = new Conditions({ set: Ingress.conditions, previous, now });
  if (rejection) conditions.markFalse('LoadBalancerReady', rejection.reason, rejection.message);
  else if (missing?.lacks === 'itself') {
    const text = `Service ${missing.service} does not exist`;
    conditions.markUnknown('NetworkConfigured', 'ServiceMissing', text);
    conditions.markUnknown('LoadBalancerReady', 'Uninitialized', WAITING);
  } else if (certificateProblem) {
    const { reason, message } = certificateProblem;
    // What is wrong stays wrong until somebody mends it; what is not there may be about to come.
    if (reason === 'SecretInvalid') conditions.markFalse('NetworkConfigured', reason, message);
    else conditions.markUnknown('NetworkConfigured', reason, message);
    conditions.markUnknown('LoadBalancerReady', 'Uninitialized', WAITING);
  } else if (missing && !isReady(ingress)) {
    // What was served once goes on to be: pods come and go.
    conditions.markTrue('NetworkConfigured');
    const text = `Service ${missing.service} has no ready endpoint yet`;
    conditions.markUnknown('LoadBalancerReady', 'EndpointsMissing', text);
  } else {
    conditions.markTrue('NetworkConfigured');
    conditions.markTrue('LoadBalancerReady');
  }
  const isServed = !rejection && missing?.lacks !== 'itself';
  return {
    ...ingress.status,
    ...(ingress.metadata.generation !== undefined && {
      observedGeneration: ingress.metadata.generation,
    }),
    conditions: conditions.list(),
    ...(isServed && {
      publicLoadBalancer: { ingress: [{ domainInternal: facts.publicHost }] },
      privateLoadBalancer: { ingress: [{ domainInternal: facts.privateHost }] },
    }),
  };
}

const RETRY = { firstMs: 50, maxMs: 5_000 };

export interface IngressStatusWriterOptions {
  readonly client: Pick<Client, 'updateStatus'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** Publishes the statuses, one write at a time, and again with back-off what could not be written. */
export class IngressStatusWriter implements Disposable {
  readonly #client: Pick<Client, 'updateStatus'>;
  readonly #clock: Clock;
  readonly #log: Log;
  /** What is to be written, by object; the newest only. */
  readonly #wanted = new Map<string, Ingress>();
  #isWriting = false;
  #failures = 0;
  #retry: Disposable | undefined;
  #isDisposed = false;

  constructor({ client, clock, log }: IngressStatusWriterOptions) {
    this.#client = client;
    this.#clock = clock;
    this.#log = log;
  }

  /** `ingress` should have this status. */
  want(ingress: Ingress, status: StatusOf<Ingress>): void {
    // What changes may be told after the end: they are looked at once a turn.
    if (this.#isDisposed) return;
    const key = keyOf(ingress);
    if (isDeepStrictEqual(ingress.status, status)) {
      this.#wanted.delete(key);
      return;
    }
    this.#wanted.set(key, { ...ingress, status });
    void this.#write();
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#wanted.clear();
    this.#retry?.[Symbol.dispose]();
  }

  async #write(): Promise<void> {
    if (this.#isWriting || this.#retry) return;
    this.#isWriting = true;
    // The first again and again: what is wanted anew of an Ingress while its last status is on its way stays in its place.
    for (let next = this.#first(); next; next = this.#first()) {
      const [key, ingress] = next;
      try {
        await this.#client.updateStatus(Ingress, ingress);
        this.#failures = 0;
      } catch (error) {
        // A newer version exists, or none: the watch brings it, and with it the next status.
        const isOutdated = hasReason(error, 'Conflict') || hasReason(error, 'NotFound');
        if (!isOutdated) {
          this.#postpone(key);
          this.#retryLater(error, key);
          break;
        }
      }
      if (this.#wanted.get(key) === ingress) this.#wanted.delete(key);
    }
    this.#isWriting = false;
  }

  #first(): readonly [string, Ingress] | undefined {
    return this.#wanted.entries().next().value;
  }

  /** Behind all others: what is refused for ever must not keep them waiting. */
  #postpone(key: string): void {
    const newest = this.#wanted.get(key);
    if (!newest) return;
    this.#wanted.delete(key);
    this.#wanted.set(key, newest);
  }

  #retryLater(error: unknown, ingress: string): void {
    if (this.#isDisposed) return;
    this.#failures += 1;
    if (this.#failures === 1) {
      this.#log.warn('gateway: cannot write the status of an Ingress', { ingress, error });
    }
    this.#retry = this.#clock.after(backoffMs(RETRY, this.#failures), () => {
      this.#retry = undefined;
      void this.#write();
    });
  }
}
