import { chmod, rm } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { parseFromGateway, readMessages, writeLine } from '#autoscaler/measurement-lines.ts';
import type { FromAutoscaler, FromGateway } from '#autoscaler/measurements.ts';

export interface MeasurementServerOptions {
  /** Replaced where it exists: the home belongs to one platform at a time. At most 107 bytes (unix(7)). */
  readonly socketPath: string;
  readonly clock: Clock;
  readonly log: Log;
  /** `gateway` is the same for all messages of one connection and of no other. */
  readonly onMessage: (message: FromGateway, gateway: object) => void;
}

/** The autoscaler's end of the measurement channel. Disposing closes every connection and removes the socket. */
export interface MeasurementServer extends AsyncDisposable {
  broadcast(message: FromAutoscaler): void;
  /**
   * Asks every connected gateway to let go of a pod; resolves when each has said so or has gone, at once where there is
   * none: but not in the first seconds, in which one that outlived the last server is still about to connect. Rejects with the signal's reason when aborted first.
   */
  drain(
    pod: { readonly namespace: string; readonly pod: string },
    signal: AbortSignal,
  ): Promise<void>;
}

/** A gateway tries at least every 1.2 s to connect (measurement-client.ts). */
const RECONNECT_MS = 3_000;

export async function startMeasurementServer(
  options: MeasurementServerOptions,
): Promise<MeasurementServer> {
  const { socketPath } = options;
  if (Buffer.byteLength(socketPath) > 107) {
    throw new Error(
      `Cannot listen on ${socketPath}: the path is longer than the 107 bytes a Unix socket may have; choose a shorter KNODE_HOME`,
    );
  }
  await rm(socketPath, { force: true });
  const channel = new Channel(options);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  channel.server.once('error', reject);
  channel.server.listen(socketPath, resolve);
  await promise;
  await chmod(socketPath, 0o600);
  return channel;
}

class Channel implements MeasurementServer {
  readonly server: Server;
  readonly #options: MeasurementServerOptions;
  readonly #gateways = new Set<Socket>();
  /** Gateways that have not yet let go, by pod. */
  readonly #drains = new Map<string, Set<Drain>>();
  /** Resolves with the first gateway, or once none is to be expected. */
  readonly #expected = Promise.withResolvers<void>();
  readonly #expecting: Disposable;

  constructor(options: MeasurementServerOptions) {
    this.#options = options;
    this.#expecting = options.clock.after(RECONNECT_MS, () => this.#expected.resolve());
    this.server = createServer((socket) => this.#accept(socket));
  }

  broadcast(message: FromAutoscaler): void {
    for (const gateway of this.#gateways) writeLine(gateway, message);
  }

  async drain(
    pod: { readonly namespace: string; readonly pod: string },
    signal: AbortSignal,
  ): Promise<void> {
    await this.#untilExpected(signal);
    signal.throwIfAborted();
    if (this.#gateways.size === 0) return;
    const key = `${pod.namespace}/${pod.pod}`;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const drain: Drain = { waitingFor: new Set(this.#gateways), resolve };
    const drains = this.#drains.get(key) ?? new Set();
    this.#drains.set(key, drains.add(drain));
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      this.broadcast({ type: 'drain', namespace: pod.namespace, pod: pod.pod });
      await promise;
    } finally {
      signal.removeEventListener('abort', onAbort);
      drains.delete(drain);
      if (drains.size === 0) this.#drains.delete(key);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#expecting[Symbol.dispose]();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.server.close(() => resolve());
    for (const gateway of this.#gateways) gateway.destroy();
    await promise;
    await rm(this.#options.socketPath, { force: true });
  }

  async #untilExpected(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      await Promise.race([this.#expected.promise, aborted]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  #accept(socket: Socket): void {
    const { log, onMessage } = this.#options;
    this.#gateways.add(socket);
    this.#expected.resolve();
    readMessages(socket, parseFromGateway, (message) => {
      if (message.type === 'drained') this.#release(`${message.namespace}/${message.pod}`, socket);
      onMessage(message, socket);
    });
    socket.on('error', (error) => log.warn('measurement connection failed', { error }));
    socket.on('close', () => {
      this.#gateways.delete(socket);
      // A gateway that is gone has no request in any pod.
      for (const key of this.#drains.keys()) this.#release(key, socket);
    });
  }

  #release(key: string, gateway: Socket): void {
    for (const drain of this.#drains.get(key) ?? []) {
      drain.waitingFor.delete(gateway);
      if (drain.waitingFor.size === 0) drain.resolve();
    }
  }
}

interface Drain {
  readonly waitingFor: Set<Socket>;
  readonly resolve: () => void;
}
