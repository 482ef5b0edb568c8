import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { Metrics } from '#telemetry/metrics.ts';
import { prometheusText } from '#telemetry/prometheus-text.ts';
import { parsePrometheusText } from '#test/support/prometheus-parser.ts';
import { QueueMeter } from '#reconcile/queue-meter.ts';
import { WorkQueue, type Result } from '#reconcile/work-queue.ts';

interface Started {
  readonly key: string;
  readonly attempt: number;
  finish(result?: Result): Promise<void>;
}

/** A queue of strings whose work ends when the test says so. */
function queueOf(concurrency: number, meter?: QueueMeter) {
  const clock = new FakeClock();
  const stop = new AbortController();
  const started: Started[] = [];
  const queue = new WorkQueue<string>({
    clock,
    signal: stop.signal,
    concurrency,
    idOf: (key) => key,
    ...(meter && { meter }),
    work(key, attempt) {
      const { promise, resolve } = Promise.withResolvers<Result>();
      const finish = async (result: Result = {}): Promise<void> => {
        resolve(result);
        await new Promise(setImmediate);
      };
      started.push({ key, attempt, finish });
      return promise;
    },
  });
  const keys = (): string[] => started.map(({ key }) => key);
  const last = (): Started => {
    const work = started.at(-1);
    assert.ok(work, 'nothing was started');
    return work;
  };
  return { clock, stop, queue, keys, started, last };
}

test('work queue: runs as many keys at once as it may, in order, each once', async () => {
  const { queue, keys, started } = queueOf(2);
  for (const key of ['a', 'b', 'c', 'c', 'd']) queue.add(key);
  assert.deepEqual(keys(), ['a', 'b']);
  await started[1]?.finish();
  assert.deepEqual(keys(), ['a', 'b', 'c']);
  await started[0]?.finish();
  await started[2]?.finish();
  await started[3]?.finish();
  assert.deepEqual(keys(), ['a', 'b', 'c', 'd']);
  await queue.idle();
});

test('work queue: a key added while it is worked on runs once more, never beside itself', async () => {
  const { queue, keys, last } = queueOf(2);
  queue.add('a');
  queue.add('a');
  queue.add('a');
  assert.deepEqual(keys(), ['a']);
  await last().finish();
  assert.deepEqual(keys(), ['a', 'a']);
  await last().finish();
  assert.deepEqual(keys(), ['a', 'a']);
  assert.ok(queue.isIdle);
});

test('work queue: failures back off from 5 ms, doubling, and a success forgets them', async () => {
  const { clock, queue, keys, last } = queueOf(1);
  queue.add('a');
  for (const delayMs of [5, 10, 20, 40]) {
    await last().finish({ hasFailed: true });
    const runs = keys().length;
    clock.advance(delayMs - 1);
    assert.equal(keys().length, runs);
    clock.advance(1);
    assert.equal(keys().length, runs + 1);
  }
  assert.equal(last().attempt, 5);
  await last().finish();
  queue.add('a');
  assert.equal(last().attempt, 1);
});

test('work queue: the back-off ends at 1000 s', async () => {
  const { clock, queue, last } = queueOf(1);
  queue.add('a');
  for (let failure = 1; failure <= 30; failure += 1) {
    await last().finish({ hasFailed: true });
    clock.advance(1_000_000);
    assert.equal(last().attempt, failure + 1);
  }
});

test('work queue: a delayed key that is added runs now, and not again when the delay is over', async () => {
  const { clock, queue, keys, last } = queueOf(1);
  queue.add('a');
  await last().finish({ againAfterMs: 1_000 });
  assert.ok(queue.isIdle);
  assert.deepEqual(queue.retries, []);
  queue.add('a');
  await last().finish();
  clock.advance(2_000);
  assert.deepEqual(keys(), ['a', 'a']);
});

test('work queue: after its end it starts nothing and waits for what runs', async () => {
  const { clock, stop, queue, keys, last } = queueOf(1);
  queue.add('a');
  queue.add('b');
  stop.abort();
  const disposed = queue[Symbol.asyncDispose]();
  await last().finish({ hasFailed: true });
  await disposed;
  queue.add('c');
  clock.advance(10_000);
  assert.deepEqual(keys(), ['a']);
});

test('work queue: what fails again and again, and is added each time, is worked on once a second', async () => {
  const { clock, queue, keys, last } = queueOf(1);
  queue.add('a');
  // Each attempt adds it itself, in the middle of its work or after it.
  const fail = async (): Promise<void> => {
    if (keys().length % 2 === 0) queue.add('a');
    await last().finish({ hasFailed: true });
    queue.add('a');
  };
  for (let attempt = 0; attempt < 8; attempt += 1) await fail();
  const before = keys().length;
  for (let second = 0; second < 10; second += 1) {
    for (let time = 0; time < 10; time += 1) queue.add('a');
    clock.advance(999);
    assert.equal(keys().length, before + second);
    assert.deepEqual(
      queue.retries.map(({ isAdded }) => isAdded),
      [true],
    );
    clock.advance(1);
    assert.equal(keys().length, before + second + 1);
    await fail();
  }
  clock.advance(1_000);
  await last().finish();
  queue.add('a');
  assert.equal(keys().length, before + 12, 'once it is well it is worked on at once');
});

test('work queue: is measured in client-go’s figures', async () => {
  const metrics = new Metrics();
  const { clock, queue, started } = queueOf(1, new QueueMeter(metrics, 'routes'));
  const value = (name: string): number => {
    const text = prometheusText(metrics, { name: 'x', version: '0', instance: 'x' });
    return parsePrometheusText(text).value(`kn_workqueue_${name}`, { name: 'routes' });
  };
  for (const key of ['a', 'b', 'b']) queue.add(key);
  assert.equal(value('adds_total'), 2);
  assert.equal(value('depth'), 1);
  clock.advance(2_000);
  assert.equal(value('unfinished_work_seconds'), 2);
  assert.equal(value('longest_running_processor_seconds'), 2);
  await started[0]?.finish({ hasFailed: true });
  assert.equal(value('retries_total'), 1);
  assert.equal(value('process_duration_seconds_sum'), 2);
  assert.equal(value('queue_duration_seconds_sum'), 2, 'b waited for a');
  assert.equal(value('longest_running_processor_seconds'), 0);
  new QueueMeter(metrics, 'routes').watch({ depth: () => 5, runningSinceMs: () => [] }, clock);
  assert.equal(value('depth'), 5, 'two queues of one name are told as one');
});
