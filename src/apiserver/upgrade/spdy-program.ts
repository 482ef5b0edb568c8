import type { Duplex } from 'node:stream';
import { TerminalSizes } from '#base/standard-streams.ts';
import { SpdySession } from '#apiserver/spdy/spdy-session.ts';
import type { SpdyStream } from '#apiserver/spdy/spdy-stream.ts';
import { keepAlive, Peer } from '#apiserver/upgrade/peer.ts';
import {
  parseSize,
  runProgram,
  type ServedProgram,
  type WantedStreams,
} from '#apiserver/upgrade/run-program.ts';

/** How long a client may take to open its streams, and to leave after the end. */
const STREAMS_MS = 30_000;
const LEAVE_MS = 5_000;

/** A program's streams as SPDY streams, each named by its header `streamtype` (`v4.channel.k8s.io`). */
export async function serveProgramOverSpdy(
  transport: Duplex,
  { run, wanted, clock, signal }: ServedProgram,
): Promise<void> {
  const expected = expectedStreams(wanted);
  const streams = new Map<string, SpdyStream>();
  const complete = Promise.withResolvers<void>();
  const session = new SpdySession(transport, (stream) => {
    const type = stream.headers['streamtype'] ?? '';
    if (!expected.has(type) || streams.has(type)) stream.destroy();
    else streams.set(type, stream);
    if (streams.size === expected.size) complete.resolve();
  });
  await using peer = new Peer(transport, session.run(), signal);
  using _pings = keepAlive(clock, () => session.ping());
  using _late = clock.after(STREAMS_MS, () => complete.reject(new Error('streams did not come')));
  await Promise.race([complete.promise, peer.gone()]);
  if (peer.signal.aborted) return;
  const terminal = new TerminalSizes();
  followSizes(streams.get('resize'), terminal);
  const standard = Object.fromEntries(
    ['stdin', 'stdout', 'stderr'].flatMap((name) => {
      const stream = streams.get(name);
      return stream ? [[name, stream]] : [];
    }),
  );
  const status = await runProgram(run, { ...standard, terminal }, peer.signal);
  // What is sent to a program that has ended nobody reads; the word that the client has left comes after it.
  streams.get('stdin')?.resume();
  streams.get('error')?.end(status);
  for (const stream of streams.values()) if (!stream.writableEnded) stream.end();
  using _limit = clock.after(LEAVE_MS, () => transport.destroy());
  await peer.gone();
}

function expectedStreams({ stdin, stdout, stderr, tty }: WantedStreams): ReadonlySet<string> {
  const wanted = { error: true, stdin, stdout, stderr, resize: tty };
  return new Set(Object.entries(wanted).flatMap(([name, isWanted]) => (isWanted ? [name] : [])));
}

const LINE_BYTES_MAX = 4096;

/** A JSON object for each size, one after the other with line ends between. */
function followSizes(stream: SpdyStream | undefined, sizes: TerminalSizes): void {
  let rest = '';
  stream?.on('data', (chunk: Buffer) => {
    const lines = `${rest}${chunk.toString()}`.split('\n');
    rest = (lines.pop() ?? '').slice(-LINE_BYTES_MAX);
    for (const line of lines) {
      const size = parseSize(line);
      if (size) sizes.set(size);
    }
  });
}
