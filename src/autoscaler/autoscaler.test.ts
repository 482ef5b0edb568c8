import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { AsyncQueue } from '#base/async-queue.ts';
import { systemClock } from '#base/clock.ts';
import type { ColdStart } from '#base/cold-start.ts';
import { FakeClock } from '#base/fake-clock.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { coldStartHistograms } from '#autoscaler/scale-meter.ts';
import { startAutoscaler, type Autoscaler } from '#autoscaler/autoscaler.ts';
import type { HeadStart } from '#autoscaler/head-start.ts';
import { connectMeasurements, type MeasurementClient } from '#autoscaler/measurement-client.ts';
import type { FromAutoscaler } from '#autoscaler/measurements.ts';
import { RevisionScaler, type ScaleTarget } from '#autoscaler/revision-scaler.ts';
import { defaultSettings } from '#api/serving-config/config-maps.ts';
import { scaleSettings } from '#autoscaler/scale-settings.ts';
import type { Key } from '#reconcile/controller.ts';
import { Metrics } from '#telemetry/metrics.ts';
import { prometheusText } from '#telemetry/prometheus-text.ts';
import { parsePrometheusText, type Scrape } from '#test/support/prometheus-parser.ts';

const revision = { namespace: 'default', revision: 'hello-00001' };

function target(known: Partial<ScaleTarget> = {}, annotations = {}): ScaleTarget {
  return {
    ...revision,
    deployment: 'hello-00001-deployment',
    port: 8080,
    settings: scaleSettings({ annotations, containerConcurrency: 0 }, defaultSettings.autoscaler),
    isReachable: true,
    readyPods: 0,
    ...known,
  };
}

/** Values in the order they came. */
class Inbox<T> {
  readonly #queue = new AsyncQueue<T>(100, () => new Error('more than this test expects'));
  readonly #values = this.#queue[Symbol.asyncIterator]();
  readonly push = (value: T): void => void this.#queue.push(value);
  async next(): Promise<T> {
    const { done, value } = await this.#values.next();
    assert.ok(!done);
    return value;
  }
}

interface Stage extends AsyncDisposable {
  readonly autoscaler: Autoscaler;
  readonly clock: FakeClock;
  readonly gateway: MeasurementClient;
  readonly announced: Inbox<Key>;
  readonly hints: Inbox<FromAutoscaler>;
  readonly coldStarts: Inbox<ColdStart>;
  /** What a second brought, said at its end unless it comes late. */
  report(concurrency?: number, brought?: { requests?: number; atMs?: number }): Promise<void>;
}

/** An autoscaler on a clock of its own with one real gateway connection. */
async function stage(headStart?: HeadStart, metrics?: Metrics): Promise<Stage> {
  const folder = await mkdtemp(path.join(tmpdir(), 'knode-'));
  const socketPath = path.join(folder, 'measurements.sock');
  const clock = new FakeClock();
  const coldStarts = new Inbox<ColdStart>();
  const autoscaler = await startAutoscaler({
    socketPath,
    clock,
    log: silentLog,
    ...(headStart && { headStart }),
    onColdStart: coldStarts.push,
    startOf: () => ({ begunMs: 100, startedMs: 120 }),
    ...(metrics && { metrics }),
  });
  const announced = new Inbox<Key>();
  const stopped = new AbortController();
  autoscaler.trigger(announced.push, stopped.signal, () => undefined);
  const hints = new Inbox<FromAutoscaler>();
  const connected = Promise.withResolvers<void>();
  const gateway = connectMeasurements({
    socketPath,
    clock: systemClock,
    random: seededRandom(1),
    log: silentLog,
    onMessage: hints.push,
    onConnected: connected.resolve,
  });
  await connected.promise;
  return {
    autoscaler,
    clock,
    gateway,
    announced,
    hints,
    coldStarts,
    async report(concurrency, { requests = 1, atMs = clock.monotonicMs() } = {}) {
      const loads = concurrency === undefined ? [] : [{ ...revision, concurrency, requests }];
      gateway.send({ type: 'report', atMs, periodMs: 1_000, loads });
      // A drain is answered on the same connection, so what was sent before it has arrived.
      const drained = autoscaler.drain({ namespace: 'x', pod: 'x' }, stopped.signal);
      assert.equal((await hints.next()).type, 'drain');
      gateway.send({ type: 'drained', namespace: 'x', pod: 'x' });
      await drained;
    },
    async [Symbol.asyncDispose]() {
      stopped.abort();
      gateway[Symbol.dispose]();
      await autoscaler[Symbol.asyncDispose]();
      await rm(folder, { recursive: true });
    },
  };
}

test('autoscaler: a demand starts pods and hints at them before the API knows', async () => {
  const asked: unknown[] = [];
  await using on = await stage({
    start(wanted, onStopped) {
      if (wanted.count === 0) return [];
      asked.push(wanted);
      queueMicrotask(() => onStopped('pod-b'));
      return [
        { name: 'pod-a', address: '10.1.0.9' },
        { name: 'pod-b', address: '10.1.0.10' },
      ];
    },
  });
  on.autoscaler.observe(target({}, { 'autoscaling.knative.dev/target': '10' }));
  on.gateway.send({ type: 'demand', ...revision, waiting: 9 });
  assert.deepEqual(await on.hints.next(), {
    type: 'starting',
    ...revision,
    pod: 'pod-a',
    address: '10.1.0.9',
    port: 8080,
  });
  assert.equal((await on.hints.next()).type, 'starting');
  assert.deepEqual(await on.hints.next(), { type: 'stopped', ...revision, pod: 'pod-b' });
  on.clock.advance(250);
  assert.deepEqual(await on.announced.next(), { namespace: 'default', name: 'hello-00001' });
  // 9 requests at 7 to a pod.
  assert.deepEqual(asked, [
    { namespace: 'default', deployment: 'hello-00001-deployment', count: 2 },
  ]);
  assert.equal(on.autoscaler.observe(target()).desired, 2);
});

test('autoscaler: a cold start is told with the moment at which its demand was heard', async () => {
  await using on = await stage();
  on.autoscaler.observe(target());
  on.gateway.send({ type: 'demand', ...revision, waiting: 1 });
  await on.announced.next();
  const heardMs = on.clock.monotonicMs();
  on.clock.advance(10);
  const measured = { ...revision, pod: 'pod-a', arrivedMs: 1, admittedMs: 2, answeredMs: 3 };
  on.gateway.send({ type: 'coldStart', ...measured });
  assert.deepEqual(await on.coldStarts.next(), { ...measured, heardMs });
});

test('autoscaler: while a program that is enough starts, the API is told once it has answered', async () => {
  const start: HeadStart['start'] = ({ count }) =>
    count === 0 ? [] : [{ name: 'pod-a', address: '10.1.0.9' }];
  await using on = await stage({ start });
  on.autoscaler.observe(target());
  on.gateway.send({ type: 'demand', ...revision, waiting: 1 });
  assert.equal((await on.hints.next()).type, 'starting');
  let isTold = false;
  const told = on.announced.next().then((key) => {
    isTold = true;
    return key;
  });
  assert.equal(on.autoscaler.observe(target()).desired, 1, 'decided all the same');
  const measured = { ...revision, pod: 'pod-a', arrivedMs: 1, admittedMs: 2, answeredMs: 3 };
  assert.equal(isTold, false);
  on.gateway.send({ type: 'coldStart', ...measured });
  assert.equal((await told).name, 'hello-00001');
});

test('autoscaler: a pod that an earlier process started is told to the API, though nobody asks again', async () => {
  await using on = await stage({ start: () => [{ name: 'pod-a', address: '10.1.0.9' }] });
  assert.equal(on.autoscaler.observe(target()).desired, 1);
  assert.equal((await on.hints.next()).type, 'starting');
  on.clock.advance(250);
  assert.equal((await on.announced.next()).name, 'hello-00001');
});

test('autoscaler: a demand stays within max-scale', async () => {
  const asked: number[] = [];
  await using on = await stage({
    start({ count }) {
      if (count > 0) asked.push(count);
      return [];
    },
  });
  on.autoscaler.observe(target({}, { 'autoscaling.knative.dev/max-scale': '3' }));
  on.gateway.send({ type: 'demand', ...revision, waiting: 5_000 });
  await on.announced.next();
  assert.deepEqual(asked, [3]);
});

test('autoscaler: a demand that comes before its PodAutoscaler is met when that is seen', async () => {
  await using on = await stage();
  on.gateway.send({ type: 'demand', ...revision, waiting: 1 });
  await on.report();
  assert.equal(on.autoscaler.observe(target()).desired, 1);
  assert.equal((await on.announced.next()).name, 'hello-00001');
});

test('autoscaler: follows the load, and to zero after a silent window', async () => {
  await using on = await stage();
  const known = target({ readyPods: 1 }, { 'autoscaling.knative.dev/window': '6s' });
  on.autoscaler.observe(known);
  for (let second = 0; second < 8; second += 1) {
    await on.report(150);
    on.clock.advance(1_000);
  }
  assert.equal(on.autoscaler.observe(known).desired, 3);
  for (let second = 0; second < 20; second += 1) {
    await on.report();
    on.clock.advance(1_000);
  }
  assert.equal(on.autoscaler.observe(known).desired, 0);
});

test('autoscaler: follows requests a second where that is the metric', async () => {
  await using on = await stage();
  const annotations = { metric: 'rps', window: '6s', 'target-utilization-percentage': '100' };
  const said = Object.entries(annotations).map(([key, to]) => [
    `autoscaling.knative.dev/${key}`,
    to,
  ]);
  const known = target({ readyPods: 1 }, Object.fromEntries(said));
  on.autoscaler.observe(known);
  for (let second = 0; second < 8; second += 1) {
    // Many short requests: next to none at once.
    await on.report(1, { requests: 500 });
    on.clock.advance(1_000);
  }
  assert.equal(on.autoscaler.observe(known).desired, 3);
});

test('F11: reports that come late, all at once, are the load of their own seconds', async () => {
  await using on = await stage();
  const known = target({ readyPods: 1 });
  on.autoscaler.observe(known);
  for (let second = 0; second < 8; second += 1) {
    await on.report(50);
    on.clock.advance(1_000);
  }
  assert.equal(on.autoscaler.observe(known).desired, 1);
  const stoodStillMs = 30_000;
  const beganMs = on.clock.monotonicMs();
  on.clock.advance(stoodStillMs);
  for (let atMs = beganMs; atMs < beganMs + stoodStillMs; atMs += 1_000)
    await on.report(50, { atMs });
  on.clock.advance(2_000);
  assert.equal(on.autoscaler.observe(known).desired, 1);
});

test('autoscaler: one that has just started takes no pod away', async () => {
  await using on = await stage();
  const known = target({ readyPods: 1 });
  on.autoscaler.observe(known);
  for (let second = 0; second < 10; second += 1) {
    await on.report();
    on.clock.advance(1_000);
  }
  assert.equal(on.autoscaler.observe(known).desired, 1);
});

test('autoscaler: without a gateway the last decision stands', async () => {
  await using on = await stage();
  on.autoscaler.observe(target());
  on.clock.advance(120_000);
  assert.equal(on.autoscaler.observe(target()).desired, -1);
});

test('autoscaler: what it decides and how cold starts went is measured, until the revision is gone', async () => {
  const metrics = new Metrics();
  await using bed = await stage({ start: () => [] }, metrics);
  const { autoscaler, clock, gateway } = bed;
  const labels = { 'serving.knative.dev/service': 'hello' };
  autoscaler.observe(target({ labels, readyPods: 1 }));
  await bed.report(10);
  clock.advance(2_000);
  const of = {
    k8s_namespace_name: 'default',
    kn_service_name: 'hello',
    kn_revision_name: 'hello-00001',
  };
  const scraped = (): Scrape => {
    const resource = { name: 'control', version: '0', instance: 'x' };
    return parsePrometheusText(prometheusText(metrics, resource));
  };
  const found = scraped();
  assert.equal(found.value('kn_revision_concurrency_stable', of), 10);
  assert.equal(found.value('kn_revision_concurrency_panic', of), 10);
  assert.equal(found.value('kn_revision_concurrency_target', of), 70);
  assert.equal(found.value('kn_revision_pods_desired', of), 1);
  assert.equal(found.value('kn_revision_panic_mode', of), 0);
  assert.deepEqual(found.find('kn_revision_rps_stable_per_second'), []);
  const at = { arrivedMs: 100, admittedMs: 150, answeredMs: 160 };
  gateway.send({ type: 'coldStart', ...revision, pod: 'pod-a', ...at });
  await bed.coldStarts.next();
  const [total] = coldStartHistograms(metrics).filter((each) => each.stage === 'total');
  assert.deepEqual([total?.service, total?.count, total?.sumSeconds], ['hello', 1, 0.06]);
  const cold = 'knode_cold_start_duration_seconds_sum';
  assert.equal(scraped().value(cold, { ...of, stage: 'start' }), 0.02);
  assert.equal(scraped().value(cold, { ...of, stage: 'program' }), 0.03);
  assert.equal(scraped().value(cold, { ...of, stage: 'answer' }), 0.01);
  assert.deepEqual(scraped().find(cold, { stage: 'response' }), []);
  autoscaler.forget({ namespace: 'default', name: 'hello-00001' });
  assert.deepEqual(
    scraped().samples.filter((sample) => 'kn_revision_name' in sample.labels),
    [],
  );
});

test('autoscaler: min-scale begins no pods of what no Route leads to', () => {
  const annotations = { 'autoscaling.knative.dev/min-scale': '3' };
  const podsFor = (isReachable: boolean): number => {
    const scaled = { annotations, containerConcurrency: 0, isReachable };
    const settings = scaleSettings(scaled, defaultSettings.autoscaler);
    const scaler = new RevisionScaler(target({ isReachable, settings }), 0);
    scaler.demand(1, 0);
    return scaler.podsForDemand;
  };
  assert.deepEqual([podsFor(true), podsFor(false)], [3, 1]);
});
