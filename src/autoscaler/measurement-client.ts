import { createConnection, type Socket } from 'node:net';
import { backoffMs } from '#base/backoff.ts';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { parseFromAutoscaler, readMessages, writeLine } from '#autoscaler/measurement-lines.ts';
import type { FromAutoscaler, FromGateway } from '#autoscaler/measurements.ts';

export interface MeasurementClientOptions {
  readonly socketPath: string;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly onMessage: (message: FromAutoscaler) => void;
  /** After each connect and reconnect: say again what is still true, first of all the demands that still wait. */
  readonly onConnected?: () => void;
}

/** A gateway's end of the measurement channel; disposing closes it for good. */
export interface MeasurementClient extends Disposable {
  readonly isConnected: boolean;
  /** How often the connection was lost, or was not made. */
  readonly failures: number;
  /** False where there is no connection; the message is then lost, as the channel's contract allows. */
  send(message: FromGateway): boolean;
}

const RECONNECT = { firstMs: 10, maxMs: 1_000, jitter: 0.2 };

/** Connects at once, and again with back-off for as long as it is not disposed: the autoscaler may come and go. */
export function connectMeasurements(options: MeasurementClientOptions): MeasurementClient {
  return new ReconnectingClient(options);
}

class ReconnectingClient implements MeasurementClient {
  readonly #options: MeasurementClientOptions;
  #socket: Socket | undefined;
  #retry: Disposable | undefined;
  #attempt = 0;
  #failures = 0;
  #isConnected = false;
  #isDisposed = false;

  constructor(options: MeasurementClientOptions) {
    this.#options = options;
    this.#connect();
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  get failures(): number {
    return this.#failures;
  }

  send(message: FromGateway): boolean {
    return this.#isConnected && this.#socket !== undefined && writeLine(this.#socket, message);
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#retry?.[Symbol.dispose]();
    this.#socket?.destroy();
  }

  #connect(): void {
    const { socketPath, log, onMessage, onConnected } = this.#options;
    const socket = createConnection(socketPath);
    this.#socket = socket;
    readMessages(socket, parseFromAutoscaler, onMessage);
    socket.on('connect', () => {
      this.#attempt = 0;
      this.#isConnected = true;
      onConnected?.();
    });
    socket.on('error', (error) => {
      // The first failure says it; a control process that is away for longer need not be reported each second.
      if (this.#attempt === 0) log.warn('measurement channel failed', { socketPath, error });
    });
    socket.on('close', () => this.#reconnect());
  }

  #reconnect(): void {
    this.#isConnected = false;
    if (this.#isDisposed) return;
    this.#attempt += 1;
    this.#failures += 1;
    const delayMs = backoffMs(RECONNECT, this.#attempt, this.#options.random);
    this.#retry = this.#options.clock.after(delayMs, () => this.#connect());
  }
}
