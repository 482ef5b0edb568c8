import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { ByteLink } from '#base/standard-streams.ts';
import { PROGRAM_PATH } from '#agent/runtime/runc/conmon.ts';

/** After one side has ended, how long socat waits for the other: only ever cut short by whoever dialled. */
const HALF_OPEN_S = 3_600;
const MESSAGE_CHARS_MAX = 1_000;

/**
 * A connection to a port of localhost in a network namespace. A process can be in one namespace only, so another one
 * (1 MB, 6 ms) stands there and hands the bytes on. Disposing ends it. Rejects with a sentence.
 */
export async function dialInside(
  namespace: string,
  port: number,
  signal: AbortSignal,
): Promise<ByteLink> {
  signal.throwIfAborted();
  const address = `TCP4:127.0.0.1:${port}`;
  const socat = ['socat', '-t', String(HALF_OPEN_S), '-dd', '-', address];
  // Killed with whoever dialled: a closed stdin alone could be half of a connection.
  const args = ['--pdeathsig', 'KILL', 'nsenter', `--net=${namespace}`, ...socat];
  const child = spawn('setpriv', args, {
    stdio: 'pipe',
    detached: true,
    env: { PATH: PROGRAM_PATH, LC_ALL: 'C' },
  });
  const connected = Promise.withResolvers<void>();
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    if (said.length < MESSAGE_CHARS_MAX) said += chunk.toString();
    if (said.includes('starting data transfer loop')) connected.resolve();
  });
  child.stdin.on('error', () => undefined);
  const stop = (): void => void child.kill('SIGKILL');
  signal.addEventListener('abort', stop, { once: true });
  const exited = once(child, 'exit').finally(() => signal.removeEventListener('abort', stop));
  await Promise.race([connected.promise, exited.then(() => Promise.reject(refusal(port, said)))]);
  return { readable: child.stdout, writable: child.stdin, [Symbol.dispose]: stop };
}

function refusal(port: number, said: string): Error {
  const [, why = said.trim()] = / E (?:.*?: )?([^:\n]+)$/m.exec(said) ?? [];
  return new Error(
    `failed to connect to localhost:${port} inside the pod: ${why.toLowerCase() || 'no message'}`,
  );
}
