import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createConnection, isIPv6 } from 'node:net';
import type { Clock } from '#base/clock.ts';
import type { Random } from '#base/random.ts';
import { Shares } from '#base/shares.ts';
import { ReplyCache } from './reply-cache.ts';
import { LengthPrefixed, prefixed } from './length-prefixed.ts';

export type Via = 'udp' | 'tcp';

/** Who asked, and how. */
export interface Asker {
  readonly via: Via;
  readonly address: string;
}

export interface ForwarderOptions {
  /** Addresses of resolvers, asked in this order; `address#port` for another port than 53. Read for each query. */
  readonly upstreams: () => readonly string[];
  readonly clock: Clock;
  readonly random: Random;
}

const TIMEOUT_MS = 2_000;
/** Queries under way; a burst beyond it fails fast instead of taking all sockets. */
const QUERIES_MAX = 512;
const QUERIES_OF_ASKER_MAX = QUERIES_MAX / 2;
const HEADER_BYTES = 12;

/** Asks the host's resolvers what is not the cluster's. */
export class Forwarder {
  readonly #options: ForwarderOptions;
  readonly #cache: ReplyCache;
  readonly #shares = new Shares(QUERIES_OF_ASKER_MAX);
  #underWay = 0;

  constructor(options: ForwarderOptions) {
    this.#options = options;
    this.#cache = new ReplyCache(options.clock);
  }

  /** The answer with the query's id; undefined where no resolver gave one in time. */
  async forward(query: Buffer, { via, address }: Asker): Promise<Buffer | undefined> {
    const known = this.#cache.get(query, via);
    if (known) return known;
    if (this.#underWay >= QUERIES_MAX) return undefined;
    using share = this.#shares.take(address);
    if (!share) return undefined;
    this.#underWay += 1;
    try {
      for (const upstream of this.#options.upstreams()) {
        const reply = await this.#ask(upstream, query, via);
        if (!reply) continue;
        this.#cache.put(query, via, reply);
        return reply;
      }
      return undefined;
    } finally {
      this.#underWay -= 1;
    }
  }

  /** RFC 5452: a port and an id of our own for each query, so that answers cannot be guessed. */
  async #ask(upstream: string, query: Buffer, via: Via): Promise<Buffer | undefined> {
    const { clock, random } = this.#options;
    const [address = '', port = '53'] = upstream.split('#');
    const asked = Buffer.from(query);
    asked.writeUInt16BE(Math.floor(random.fraction() * 65_536), 0);
    const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
    using _timer = clock.after(TIMEOUT_MS, () => resolve(undefined));
    const take = (reply: Buffer): void => {
      if (!isReplyTo(asked, reply)) return;
      const answer = Buffer.from(reply);
      query.copy(answer, 0, 0, 2);
      resolve(answer);
    };
    const to = { address, port: Number(port), asked, take, fail: () => resolve(undefined) };
    using _socket = via === 'udp' ? askOverUdp(to) : askOverTcp(to);
    return await promise;
  }
}

interface Ask {
  readonly address: string;
  readonly port: number;
  readonly asked: Buffer;
  readonly take: (reply: Buffer) => void;
  readonly fail: () => void;
}

function askOverUdp({ address, port, asked, take, fail }: Ask): Disposable {
  const socket: UdpSocket = createSocket(isIPv6(address) ? 'udp6' : 'udp4');
  let isClosed = false;
  const close = (): void => {
    if (isClosed) return;
    isClosed = true;
    socket.close();
  };
  socket.on('message', take);
  socket.on('error', fail);
  // Connected, the kernel drops what others send. Without a callback a network that is not there comes as `error`.
  socket.on('connect', () => {
    if (!isClosed) socket.send(asked);
  });
  socket.connect(port, address);
  return { [Symbol.dispose]: close };
}

function askOverTcp({ address, port, asked, take, fail }: Ask): Disposable {
  const socket = createConnection({ host: address, port });
  const messages = new LengthPrefixed(take);
  socket.on('data', (chunk: Buffer) => messages.write(chunk));
  socket.on('error', fail);
  socket.on('close', fail);
  socket.write(prefixed(asked));
  return { [Symbol.dispose]: () => socket.destroy() };
}

/** The id and the question must be ours; the rest is the resolver's business. */
function isReplyTo(query: Buffer, reply: Buffer): boolean {
  if (reply.length < HEADER_BYTES || reply.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  if (((reply[2] ?? 0) & 0x80) === 0) return false;
  const end = questionEnd(query);
  if (reply.readUInt16BE(4) === 0) return true;
  const asked = query.subarray(HEADER_BYTES, end).toString('latin1').toLowerCase();
  return reply.subarray(HEADER_BYTES, end).toString('latin1').toLowerCase() === asked;
}

/** After the name of the first question, its type and class. */
function questionEnd(query: Buffer): number {
  let at = HEADER_BYTES;
  while (at < query.length && query[at] !== 0) at += (query[at] ?? 0) + 1;
  return at + 5;
}
