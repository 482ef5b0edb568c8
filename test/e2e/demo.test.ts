import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { platform } from '#test/support/platform.ts';
import { machineTraces } from '#test/support/machine-traces.ts';

test('demo: builds, deploys, answers, goes to zero and comes back, and leaves nothing', async () => {
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
    const wipe = await it.knode('down', '--wipe');
    assert.equal(wipe.code, 0, wipe.stderr);
    assert.throws(() => readdirSync(it.home), { code: 'ENOENT' });
  }
  assert.deepEqual(await machineTraces(), before);
});
