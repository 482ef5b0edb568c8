import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { connectMeasurements, type MeasurementClient } from '#autoscaler/measurement-client.ts';
import type { FromAutoscaler, RevisionLoad } from '#autoscaler/measurements.ts';
import type { Metrics } from '#telemetry/metrics.ts';
import type { ColdStartTimes } from './backend/revision-backend.ts';
import { meterConnection } from './observe/request-meter.ts';
import type { ServiceDirectory } from './route/service-directory.ts';

export interface MeasurementLinkOptions {
  readonly socketPath: string;
  readonly directory: () => ServiceDirectory;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Where the connection is measured; nowhere where absent. */
  readonly metrics?: Metrics | undefined;
}

const REPORT_EVERY_MS = 1_000;

/** The gateway's side of what it and the autoscaler tell each other. */
export class MeasurementLink implements Disposable {
  readonly #options: MeasurementLinkOptions;
  readonly #client: MeasurementClient;
  #timer: Disposable;
  #reportedMs: number;

  constructor(options: MeasurementLinkOptions) {
    this.#options = options;
    const { clock, random, log, socketPath } = options;
    this.#reportedMs = clock.monotonicMs();
    this.#client = connectMeasurements({
      socketPath,
      clock,
      random,
      log,
      onMessage: (message) => this.#take(message),
      onConnected: () => this.#beginAnew(),
    });
    this.#timer = clock.after(REPORT_EVERY_MS, () => this.#report());
    if (options.metrics) meterConnection(options.metrics, this.#client);
  }

  demand(revision: { namespace: string; name: string }, waiting: number): void {
    const { namespace, name } = revision;
    this.#client.send({ type: 'demand', namespace, revision: name, waiting });
  }

  coldStart(revision: { namespace: string; name: string }, times: ColdStartTimes): void {
    const { namespace, name } = revision;
    this.#client.send({ type: 'coldStart', namespace, revision: name, ...times });
  }

  [Symbol.dispose](): void {
    this.#timer[Symbol.dispose]();
    this.#client[Symbol.dispose]();
  }

  #take(message: FromAutoscaler): void {
    const directory = this.#options.directory();
    if (message.type === 'drain') {
      const { namespace, pod } = message;
      const drained = (): void => {
        this.#client.send({ type: 'drained', namespace, pod });
      };
      directory.noteEnding(namespace, pod);
      const backend = directory.revisionOfPod(namespace, pod);
      if (backend) backend.pods.drain(pod, drained);
      else drained();
      return;
    }
    const pods = directory.revision(message.namespace, message.revision)?.pods;
    if (message.type === 'stopped') pods?.unhint(message.pod);
    else pods?.hint({ name: message.pod, address: message.address, port: message.port });
  }

  /**
   * The autoscaler may be another than before, and knows nothing of what the last one promised: its `stopped` will never
   * come, and the address may go to a pod of somebody else. What was not listed by now is asked for again.
   */
  #beginAnew(): void {
    for (const backend of this.#options.directory().revisions().values()) {
      backend.pods.unhintAll();
      backend.repeatDemand();
    }
  }

  #report(): void {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    const periodMs = nowMs - this.#reportedMs;
    this.#reportedMs = nowMs;
    this.#timer = clock.after(REPORT_EVERY_MS, () => this.#report());
    const loads: RevisionLoad[] = [];
    for (const [key, backend] of this.#options.directory().revisions()) {
      const load = backend.meter.read();
      const [namespace = '', revision = ''] = key.split('/');
      if (load) loads.push({ namespace, revision, ...load });
    }
    this.#client.send({ type: 'report', atMs: nowMs, periodMs, loads });
  }
}
