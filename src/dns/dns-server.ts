import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import { Shares } from '#base/shares.ts';
import type { Informers } from '#client/informers.ts';
import { WatchedNames } from './cluster-names.ts';
import { Forwarder } from './forwarder.ts';
import { LengthPrefixed, prefixed } from './length-prefixed.ts';
import { Resolver } from './resolver.ts';

export interface DnsOptions {
  readonly informers: Informers;
  /** Where pods reach it, and nothing else: what it forwards would serve anybody. */
  readonly address: string;
  /** 53, or 0 for any free one. */
  readonly port: number;
  readonly clusterDomain: string;
  /** The host's resolvers now, for all other names; `address#port` for another port than 53. This server itself is left out. */
  readonly upstreams: () => readonly string[];
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

export interface DnsServer extends AsyncDisposable {
  readonly port: number;
}

const TCP_CONNECTIONS_MAX = 256;
const TCP_CONNECTIONS_OF_POD_MAX = TCP_CONNECTIONS_MAX / 2;
/** RFC 7766 §6.2.3: idle connections are the server's to end. */
const TCP_IDLE_MS = 10_000;
/** A free UDP port may be taken for TCP. */
const PORT_ATTEMPTS = 5;

/**
 * The cluster's DNS over UDP and TCP. Answers for the cluster from watches, and so also while the API is away; forwards
 * the rest. Throws where the port is taken.
 */
export async function startDns(options: DnsOptions): Promise<DnsServer> {
  const { informers, clock, random, log, clusterDomain: domain } = options;
  await using resources = new AsyncDisposableStack();
  const names = resources.use(new WatchedNames(informers));
  const upstreams = (): readonly string[] =>
    options.upstreams().filter((upstream) => upstream !== options.address);
  const forwarder = new Forwarder({ upstreams, clock, random });
  const resolver = new Resolver({ names, domain, forwarder, random });
  const { udp, tcp } = await bindBoth(options);
  resources.defer(() => closeUdp(udp));
  const connections = new Set<Socket>();
  resources.defer(() => closeTcp(tcp, connections));
  udp.on('error', (error) => log.error('dns: UDP socket failed', { error }));
  tcp.on('error', (error) => log.error('dns: TCP listener failed', { error }));
  udp.on('message', (query, from) => {
    void answer(resolver.resolve(query, { via: 'udp', address: from.address }), log, (reply) => {
      udp.send(reply, from.port, from.address);
    });
  });
  const shares = new Shares(TCP_CONNECTIONS_OF_POD_MAX);
  tcp.on('connection', (socket) => {
    const share = shares.take(socket.remoteAddress ?? '');
    if (!share) return void socket.destroy();
    socket.once('close', () => share[Symbol.dispose]());
    serveConnection(socket, { resolver, connections, log });
  });
  const owned = resources.move();
  return { port: udp.address().port, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** The boundary of one query: whatever fails within it is logged here, and its client asks again. */
async function answer(
  resolved: Promise<Buffer | undefined>,
  log: Log,
  send: (reply: Buffer) => void,
): Promise<void> {
  try {
    const reply = await resolved;
    if (reply) send(reply);
  } catch (error) {
    log.error('dns: a query failed', { error });
  }
}

function serveConnection(
  socket: Socket,
  { resolver, connections, log }: { resolver: Resolver; connections: Set<Socket>; log: Log },
): void {
  connections.add(socket);
  socket.on('close', () => connections.delete(socket));
  // A client that resets its connection wants no answer any more.
  socket.on('error', () => socket.destroy());
  socket.setTimeout(TCP_IDLE_MS, () => socket.destroy());
  const asker = { via: 'tcp', address: socket.remoteAddress ?? '' } as const;
  const queries = new LengthPrefixed((query) => {
    void answer(resolver.resolve(query, asker), log, (reply) => {
      // Who asks and does not read the answers is read no further; it is soon idle, and ended.
      if (socket.writable && !socket.write(prefixed(reply))) socket.pause();
    });
  });
  socket.on('drain', () => socket.resume());
  socket.on('data', (chunk: Buffer) => queries.write(chunk));
}

async function bindBoth({ address, port }: DnsOptions): Promise<{ udp: UdpSocket; tcp: Server }> {
  for (let attempt = 1; ; attempt += 1) {
    const udp = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
    const tcp = createServer();
    tcp.maxConnections = TCP_CONNECTIONS_MAX;
    try {
      udp.bind(port, address);
      await once(udp, 'listening');
      tcp.listen({ host: address, port: udp.address().port });
      await once(tcp, 'listening');
      return { udp, tcp };
    } catch (error) {
      udp.close();
      tcp.close();
      if (port === 0 && attempt < PORT_ATTEMPTS) continue;
      const text = `dns: cannot listen on ${address} port ${port}: free the port, or give the platform another address`;
      throw new Error(text, { cause: error });
    }
  }
}

async function closeUdp(udp: UdpSocket): Promise<void> {
  udp.close();
  await once(udp, 'close');
}

async function closeTcp(tcp: Server, connections: ReadonlySet<Socket>): Promise<void> {
  tcp.close();
  for (const connection of connections) connection.destroy();
  await once(tcp, 'close');
}
