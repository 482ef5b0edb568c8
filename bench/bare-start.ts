import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { sleep, systemClock } from '#base/clock.ts';
import { call } from '#test/support/platform.ts';
import { choosePort } from '#supervisor/ports.ts';

const LOOK_AGAIN_MS = 1;
const ANSWERS_WITHIN_MS = 10_000;

/** Milliseconds from the spawn of a program to its first answer, connecting again as long as its port is closed. */
export async function bareStartMs([program, ...args]: readonly [
  string,
  ...string[],
]): Promise<number> {
  const port = await choosePort(0, '--port');
  const startMs = performance.now();
  const child = spawn(program, args, { env: { PORT: String(port) }, stdio: 'ignore' });
  const ended = once(child, 'exit');
  try {
    while (performance.now() - startMs < ANSWERS_WITHIN_MS) {
      const tookMs = await call(`http://127.0.0.1:${port}`).then(
        () => performance.now() - startMs,
        () => undefined,
      );
      if (tookMs !== undefined) return tookMs;
      await sleep(systemClock, LOOK_AGAIN_MS);
    }
    throw new Error(`${program} gave no answer within ${ANSWERS_WITHIN_MS} ms`);
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}
