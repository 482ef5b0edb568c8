import type { Duplex } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '#base/clock.ts';
import type { DialPort } from '#base/standard-streams.ts';
import { SpdySession } from '#apiserver/spdy/spdy-session.ts';
import type { SpdyStream } from '#apiserver/spdy/spdy-stream.ts';
import { keepAlive, Peer } from '#apiserver/upgrade/peer.ts';

export interface ServedPorts {
  readonly dial: DialPort;
  readonly clock: Clock;
  /** Cuts the client off. */
  readonly signal: AbortSignal;
}

/** How long the second stream of a connection may be in coming. */
const PAIR_MS = 30_000;

interface Half {
  readonly stream: SpdyStream;
  readonly late: Disposable;
}

/**
 * `portforward.k8s.io`: for each connection a client opens two streams with the same `requestid`, one for the bytes and
 * one on which it hears what went wrong. Resolves when the client has gone.
 */
export async function servePorts(
  transport: Duplex,
  { dial, clock, signal }: ServedPorts,
): Promise<void> {
  const waiting = new Map<string, Half>();
  const onStream = (stream: SpdyStream): void => {
    const { streamtype: type = '', requestid: id = '' } = stream.headers;
    if (type !== 'data' && type !== 'error') {
      stream.destroy();
      return;
    }
    const other = type === 'data' ? 'error' : 'data';
    const half = waiting.get(`${other} ${id}`);
    if (!half) {
      const late = clock.after(PAIR_MS, () => stream.destroy());
      waiting.set(`${type} ${id}`, { stream, late });
      stream.once('close', () => {
        late[Symbol.dispose]();
        waiting.delete(`${type} ${id}`);
      });
      return;
    }
    half.late[Symbol.dispose]();
    waiting.delete(`${other} ${id}`);
    const [data, error] = type === 'data' ? [stream, half.stream] : [half.stream, stream];
    void forward({ data, error, dial, signal: peer.signal });
  };
  const session = new SpdySession(transport, onStream);
  await using peer = new Peer(transport, session.run(), signal);
  using _pings = keepAlive(clock, () => session.ping());
  await peer.gone();
}

interface Forwarded {
  readonly data: SpdyStream;
  readonly error: SpdyStream;
  readonly dial: DialPort;
  readonly signal: AbortSignal;
}

/** Never rejects: what goes wrong is the client's to hear. */
async function forward({ data, error, dial, signal }: Forwarded): Promise<void> {
  error.resume();
  try {
    const port = Number(data.headers['port']);
    if (!Number.isInteger(port) || port < 1 || port > 65_535)
      throw new Error(
        `port "${data.headers['port'] ?? ''}": a number from 1 to 65535 was expected`,
      );
    using link = await dial(port, signal);
    await Promise.all([pipeline(data, link.writable), pipeline(link.readable, data)]);
    error.end();
  } catch (failure) {
    if (!data.destroyed && !data.writableEnded) data.end();
    error.end(failure instanceof Error ? failure.message : String(failure));
  }
}
