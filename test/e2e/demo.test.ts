import assert from 'node:assert/strict';
import { mkdirSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { platform, type Platform } from '#test/support/platform.ts';
import { machineTraces } from '#test/support/machine-traces.ts';

/** The walk is walked twice, and half a minute of each is the wait for zero. */
const BOUND = { timeout: 180_000 };

test(
  'demo: builds, deploys, answers, goes to zero and comes back, and leaves nothing',
  BOUND,
  async () => {
    const before = await machineTraces();
    const it = platform();
    {
      await using _ = it;
      const demo = await it.knode('demo', '--exit', ...it.ports);
      assert.equal(demo.code, 0, demo.stderr);
      process.stdout.write(`${demo.stderr}${demo.stdout}`);
      assert.match(demo.stdout, /^first answer +Hello from knode! /m);
      assert.match(demo.stdout, /^time to zero +[\d.]+ s/m);
      assert.match(demo.stdout, /^cold start +\d+ ms +Hello from knode! /m);
      await traceAgain(it);
      // What claims have is the platform's, though it outlives `down`.
      mkdirSync(path.join(it.home, 'volumes', 'pvc-of-a-claim'), { recursive: true });
      const wipe = await it.knode('down', '--wipe');
      assert.equal(wipe.code, 0, wipe.stderr);
      assert.throws(() => readdirSync(it.home), { code: 'ENOENT' });
    }
    assert.deepEqual(await machineTraces(), before);
  },
);

/** The stages of a cold start are the whole of it, and each of the platform's processes measured its own. */
async function traceAgain(it: Platform): Promise<void> {
  const traced = await it.knode('demo', '--exit', '--trace', '-o', 'json', ...it.ports);
  assert.equal(traced.code, 0, traced.stderr);
  const { coldStartMs, stages } = JSON.parse(traced.stdout) as {
    coldStartMs: number;
    stages: { name: string; tookMs: number }[];
  };
  const names = stages.map(({ name }) => name);
  assert.deepEqual(names, [
    'request',
    'demand',
    'decision',
    'start',
    'program',
    'answer',
    'response',
  ]);
  const sumMs = stages.reduce((sum, { tookMs }) => sum + tookMs, 0);
  assert.ok(Math.abs(sumMs - coldStartMs) < 0.001, `${sumMs} of ${coldStartMs} ms`);
}
