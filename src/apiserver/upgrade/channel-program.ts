import { once } from 'node:events';
import { Readable, Writable } from 'node:stream';
import type { WebSocket } from 'ws';
import { TerminalSizes } from '#base/standard-streams.ts';
import { keepAlive } from '#apiserver/upgrade/peer.ts';
import { parseSize, runProgram, type ServedProgram } from '#apiserver/upgrade/run-program.ts';

/** The first byte of every message says which stream it is of. */
const channels = { stdin: 0, stdout: 1, stderr: 2, error: 3, resize: 4 } as const;
/** `v5.channel.k8s.io` only: the client ends the channel that the second byte names. */
const CLOSE = 255;
/** How long a client may take to answer the closing handshake. */
const LEAVE_MS = 5_000;

/** A program's streams as messages of a WebSocket (`v4.channel.k8s.io`, `v5.channel.k8s.io`). */
export async function serveProgramOverChannels(
  socket: WebSocket,
  { run, wanted, clock, signal, protocol }: ServedProgram & { readonly protocol: string },
): Promise<void> {
  const gone = new AbortController();
  const closed = once(socket, 'close').finally(() => gone.abort());
  const cut = (): void => socket.terminate();
  signal.addEventListener('abort', cut, { once: true });
  const terminal = new TerminalSizes();
  const stdin = new Readable({ read: () => socket.resume() });
  receive(socket, { stdin, terminal, hasClose: protocol.startsWith('v5.') });
  using _pings = keepAlive(clock, () => socket.ping());
  const streams = {
    ...(wanted.stdin && { stdin }),
    ...(wanted.stdout && { stdout: output(socket, channels.stdout) }),
    ...(wanted.stderr && { stderr: output(socket, channels.stderr) }),
    terminal,
  };
  try {
    const status = await runProgram(run, streams, gone.signal);
    // What is still sent to the program nobody reads; the end of the connection comes after it.
    stdin.resume();
    socket.resume();
    send(socket, { channel: channels.error, bytes: Buffer.from(status), done: () => undefined });
    socket.close(1000);
    using _limit = clock.after(LEAVE_MS, cut);
    await closed;
  } finally {
    signal.removeEventListener('abort', cut);
    stdin.destroy();
    socket.terminate();
  }
}

interface Inputs {
  readonly stdin: Readable;
  readonly terminal: TerminalSizes;
  readonly hasClose: boolean;
}

function receive(socket: WebSocket, { stdin, terminal, hasClose }: Inputs): void {
  let isStdinOpen = true;
  socket.on('message', (message: Buffer) => {
    const [channel] = message;
    const bytes = message.subarray(1);
    if (channel === channels.stdin && isStdinOpen && bytes.length > 0) {
      if (!stdin.push(bytes)) socket.pause();
    } else if (channel === CLOSE && hasClose && isStdinOpen && bytes[0] === channels.stdin) {
      isStdinOpen = false;
      stdin.push(null);
    } else if (channel === channels.resize) {
      const size = parseSize(bytes.toString());
      if (size) terminal.set(size);
    }
  });
}

function output(socket: WebSocket, channel: number): Writable {
  return new Writable({
    write: (bytes: Buffer, _encoding, done) => send(socket, { channel, bytes, done }),
  });
}

interface Message {
  readonly channel: number;
  readonly bytes: Buffer;
  /** Called once the connection has taken it, or cannot. */
  readonly done: (error?: Error | null) => void;
}

function send(socket: WebSocket, { channel, bytes, done }: Message): void {
  socket.send(Buffer.concat([Buffer.of(channel), bytes]), (error) => done(error));
}
