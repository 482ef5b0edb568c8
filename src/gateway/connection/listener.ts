import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import type { SecureContext } from 'node:tls';
import { once } from 'node:events';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { openFilesMax } from '#base/machine-resources.ts';
import { Shares } from '#base/shares.ts';
import { Deadlines } from '../deadlines.ts';
import { defaultLimits } from '../http1/limits.ts';
import { TlsHandshakes } from '../tls/tls-handshakes.ts';
import { ClientConnection, type ClientConnectionOptions } from './client-connection.ts';
import type { Door, Exchange } from './exchange.ts';
import { liveness } from './liveness.ts';
import type { ReadAhead } from './read-ahead.ts';

export interface ListenerOptions {
  readonly door: Door;
  /** Each of them may have its share of the connections; elsewhere one address may be a proxy for everybody. */
  readonly isForPods: boolean;
  /** What is shown to who asks for a name over TLS; absent where the door is plain. */
  readonly contextFor?: (name: string) => SecureContext | undefined;
  /** Where the same hosts are served over TLS. */
  readonly httpsPort: number;
  /** All of them on the same port. One that this machine does not have (::1 without IPv6) is left out. */
  readonly addresses: readonly string[];
  /** 0: any free one. */
  readonly port: number;
  /** What a person changes where the port is taken, `--http-port`; empty where nothing does. */
  readonly flag: string;
  readonly readAhead: ReadAhead;
  readonly clock: Clock;
  readonly log: Log;
  readonly onRequest: (exchange: Exchange) => void;
}

/**
 * Envoy's advice for an edge: beyond it, new connections are closed at once. Less where a process may open few files: there
 * are several doors, and each request takes a connection to a pod.
 */
const CONNECTIONS_MAX = Math.min(10_000, Math.floor(openFilesMax() / 4));
/** Pods have an address each, and one door: one of them cannot shut it for the others. */
const CONNECTIONS_OF_POD_MAX = Math.ceil(CONNECTIONS_MAX / 2);
const HEAD_TIMEOUT_MS = 60_000;
/** Clients in Go keep what is idle for 90 s, Java's and browsers no longer: they end it, not we, lest a request be on its way as we do. */
const IDLE_TIMEOUT_MS = 120_000;
const STALL_TIMEOUT_MS = 300_000;
const LINGER_MS = 2_000;

/** One of the gateway's doors. */
export class Listener implements AsyncDisposable {
  readonly #servers: Server[] = [];
  readonly #connections = new Set<ClientConnection>();
  readonly #shares = new Shares(CONNECTIONS_OF_POD_MAX);
  readonly #options: ListenerOptions;
  readonly #forConnections: ClientConnectionOptions;
  readonly #handshakes: TlsHandshakes | undefined;
  readonly #closed = new Set<() => void>();

  private constructor(options: ListenerOptions) {
    this.#options = options;
    const { clock, door, readAhead, onRequest, httpsPort, contextFor } = options;
    const destroy = (connection: ClientConnection): void => connection.destroy();
    this.#forConnections = {
      door,
      scheme: contextFor ? 'https' : 'http',
      httpsPort,
      limits: defaultLimits,
      readAhead,
      headDeadlines: new Deadlines(clock, HEAD_TIMEOUT_MS, destroy),
      idleDeadlines: new Deadlines(clock, IDLE_TIMEOUT_MS, destroy),
      stallDeadlines: new Deadlines(clock, STALL_TIMEOUT_MS, destroy),
      lingerDeadlines: new Deadlines(clock, LINGER_MS, destroy),
      onRequest,
      onClosed: (connection) => {
        this.#connections.delete(connection);
        if (this.#connections.size === 0) for (const tell of this.#closed) tell();
      },
    };
    if (contextFor) {
      const onSecure = (socket: Socket): void => this.#serve(socket);
      this.#handshakes = new TlsHandshakes({ contextFor, clock, onSecure });
    }
  }

  /** Throws where the port is taken, or where none of the addresses can be had. */
  static async open(options: ListenerOptions): Promise<Listener> {
    const listener = new Listener(options);
    let { port } = options;
    try {
      for (const address of options.addresses) {
        port = (await listener.#listen(address, port)) ?? port;
      }
    } catch (error) {
      await listener[Symbol.asyncDispose]();
      throw error;
    }
    if (listener.#servers.length > 0) return listener;
    throw new Error(`gateway: cannot listen on ${options.addresses.join(', ')}: no such address`);
  }

  get port(): number {
    return addressOf(this.#servers[0]).port;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Accepts no more, lets what is on its way end, and cuts off what is left when `signal` is aborted. */
  async close(signal: AbortSignal): Promise<void> {
    for (const server of this.#servers) server.close();
    for (const connection of this.#connections) connection.closeWhenIdle();
    if (this.#connections.size > 0 && !signal.aborted) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#closed.add(resolve);
      signal.addEventListener('abort', () => resolve(), { once: true });
      await promise;
    }
    await this[Symbol.asyncDispose]();
  }

  /** Cuts everything off. */
  async [Symbol.asyncDispose](): Promise<void> {
    const open = this.#servers.splice(0).filter((server) => server.listening);
    const closing = open.map((server) => {
      server.close();
      return once(server, 'close');
    });
    for (const connection of this.#connections) connection.destroy();
    // With it those that are still in a handshake.
    this.#handshakes?.[Symbol.dispose]();
    await Promise.all(closing);
    const { headDeadlines, idleDeadlines, stallDeadlines, lingerDeadlines } = this.#forConnections;
    for (const deadlines of [headDeadlines, idleDeadlines, stallDeadlines, lingerDeadlines]) {
      deadlines[Symbol.dispose]();
    }
  }

  /** Returns the port; undefined where the machine has no such address. */
  async #listen(address: string, port: number): Promise<number | undefined> {
    // Half-open: an answer may still be due when a client has said all it will say.
    const options = { ...liveness, allowHalfOpen: true, noDelay: true };
    const server = createServer(options, (socket) => this.#accept(socket));
    server.maxConnections = CONNECTIONS_MAX;
    server.listen({ host: address, port });
    try {
      await once(server, 'listening');
    } catch (error) {
      if (hasCode(error, 'EADDRNOTAVAIL') || hasCode(error, 'EAFNOSUPPORT')) return undefined;
      throw listenError(error, { address, port, flag: this.#options.flag });
    }
    server.on('error', (error) => this.#options.log.error('gateway: listener failed', { error }));
    this.#servers.push(server);
    return addressOf(server).port;
  }

  #accept(socket: Socket): void {
    if (this.#options.isForPods) {
      const share = this.#shares.take(socket.remoteAddress ?? '');
      if (!share) return void socket.destroy();
      socket.once('close', () => share[Symbol.dispose]());
    }
    if (this.#handshakes) this.#handshakes.begin(socket);
    else this.#serve(socket);
  }

  #serve(socket: Socket): void {
    this.#connections.add(new ClientConnection(socket, this.#forConnections));
  }
}

function listenError(
  error: unknown,
  { address, port, flag }: { address: string; port: number; flag: string },
): Error {
  const at = `gateway: cannot listen on ${address} port ${port}`;
  const choose = flag === '' ? '' : `, or choose another port with ${flag}`;
  if (hasCode(error, 'EADDRINUSE')) {
    return new Error(`${at}: another program does; stop it${choose}`, { cause: error });
  }
  if (hasCode(error, 'EACCES')) {
    return new Error(`${at}: not allowed; run as root${choose}`, { cause: error });
  }
  return new Error(`${at}: ${error instanceof Error ? error.message : 'failed'}`, { cause: error });
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function addressOf(server: Server | undefined): AddressInfo {
  const address = server?.address();
  if (!address || typeof address === 'string') throw new Error('gateway: not listening on TCP');
  return address;
}
