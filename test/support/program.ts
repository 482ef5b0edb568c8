import { spawn } from 'node:child_process';
import { once } from 'node:events';

export interface RunningProgram extends AsyncDisposable {
  /** Resolves when what it has written so far matches; rejects with all of it when it ends first, or after a minute. */
  says(pattern: RegExp): Promise<void>;
}

/** A server that a test needs; it is told to stop, and killed when it does not, at the end. */
export async function startProgram(
  [program = '', ...args]: readonly string[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<RunningProgram> {
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let written = '';
  const ended = new AbortController();
  const closed = once(child, 'close').finally(() => ended.abort());
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      written += chunk.toString();
      child.emit('written');
    });
  await once(child, 'spawn');
  return {
    async says(pattern) {
      const signal = AbortSignal.any([ended.signal, AbortSignal.timeout(60_000)]);
      while (!pattern.test(written))
        await once(child, 'written', { signal }).catch((error: unknown) => {
          throw new Error(`${program} did not say ${pattern}: ${written}`, { cause: error });
        });
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      const killer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await closed;
      clearTimeout(killer);
    },
  };
}
