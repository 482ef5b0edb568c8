import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { runProber } from '#agent/probes/prober.ts';

interface Trial {
  readonly changes: (readonly [boolean, string])[];
  readonly asked: number[];
  advance(ms: number): Promise<void>;
  stop(): Promise<void>;
}

function start(answers: (atMs: number) => string, isEager = true): Trial {
  const clock = new FakeClock();
  const stop = new AbortController();
  const changes: (readonly [boolean, string])[] = [];
  const asked: number[] = [];
  const running = runProber(
    {
      probe: { periodSeconds: 10, failureThreshold: 2 },
      clock,
      isEager,
      ask: () => {
        asked.push(clock.monotonicMs());
        return Promise.resolve(answers(clock.monotonicMs()));
      },
      onFailure: () => undefined,
      onChange: (isSuccess, reason) => changes.push([isSuccess, reason]),
    },
    stop.signal,
  ).catch(() => undefined);
  const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    changes,
    asked,
    async advance(ms) {
      for (let passed = 0; passed < ms; passed += 1) {
        await settle();
        clock.advance(1);
      }
      await settle();
    },
    async stop() {
      stop.abort();
      await running;
    },
  };
}

test('prober: asks often until the first success, then at its period', async () => {
  const trial = start((atMs) => (atMs < 50 ? 'refused' : ''));
  await trial.advance(60);
  assert.deepEqual(trial.changes, [[true, '']]);
  const before = trial.asked.length;
  assert.ok(before > 8, `asked ${before} times`);
  await trial.advance(9_000);
  assert.equal(trial.asked.length, before);
  await trial.stop();
});

test('prober: failures count once a period', async () => {
  const trial = start(() => 'refused');
  await trial.advance(9_000);
  assert.deepEqual(trial.changes, []);
  await trial.advance(3_000);
  assert.deepEqual(trial.changes, [[false, 'refused']]);
  await trial.stop();
});
