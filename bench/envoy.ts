import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { sleep, systemClock } from '#base/clock.ts';
import { choosePort } from '#supervisor/ports.ts';
import { call, run } from '#test/support/platform.ts';

const LOOK_AGAIN_MS = 50;
const ANSWERS_WITHIN_MS = 30_000;

/** Envoy in front of one pod, with one worker; `folder` is somebody's own. Returns its port on loopback. */
export async function startEnvoy(
  pod: { readonly address: string; readonly port: number },
  { folder, resources }: { readonly folder: string; readonly resources: AsyncDisposableStack },
): Promise<number> {
  const fetched = await run(['sh', 'scripts/fetch-envoy'], { timeoutMs: 300_000 });
  assert.equal(fetched.code, 0, fetched.stderr);
  const port = await choosePort(0, '--port');
  const template = await readFile(path.join(import.meta.dirname, 'envoy.yaml'), 'utf8');
  const config = template
    .replaceAll(/^#.*\n/gm, '')
    .replace('LISTEN_PORT', String(port))
    .replace('POD_ADDRESS', pod.address)
    .replace('POD_PORT', String(pod.port));
  const file = path.join(folder, 'envoy.yaml');
  await writeFile(file, config);
  const flags = ['-c', file, '--concurrency', '1', '--log-level', 'error', '--disable-hot-restart'];
  const child = spawn(fetched.stdout.trim(), flags, { stdio: ['ignore', 'ignore', 'inherit'] });
  const ended = once(child, 'exit');
  resources.defer(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  await untilAnswered(port);
  return port;
}

async function untilAnswered(port: number): Promise<void> {
  const lateMs = performance.now() + ANSWERS_WITHIN_MS;
  for (;;) {
    const answer = await call(`http://127.0.0.1:${port}`).catch(() => undefined);
    if (answer?.status === 200) return;
    assert.ok(performance.now() < lateMs, `Envoy gave no answer within ${ANSWERS_WITHIN_MS} ms`);
    await sleep(systemClock, LOOK_AGAIN_MS);
  }
}
