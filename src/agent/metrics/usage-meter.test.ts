import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { amountOf } from '#api/meta/quantity.ts';
import type { PodRecord } from '#agent/pods/pod-record.ts';
import { runningPods } from '#agent/metrics/running-pods.ts';
import { UsageMeter } from '#agent/metrics/usage-meter.ts';
import { cgroupUsage } from '#agent/runtime/runc/cgroup-usage.ts';
import type { Pod } from '#api/core-v1/pod.ts';

/** A meter over a folder that looks like v2's hierarchy. */
function setUp(records: Readonly<Record<string, PodRecord['containers']>>) {
  const root = mkdtempSync(path.join(tmpdir(), 'knode-meter-'));
  const clock = new FakeClock();
  const pods = Object.keys(records).map((uid) => pod(uid));
  const record = (uid: string): PodRecord => ({
    version: 1,
    namespace: 'default',
    name: uid,
    uid,
    address: '10.0.0.1',
    startTime: '',
    containers: records[uid] ?? {},
  });
  const meter = new UsageMeter({
    runtime: { usage: (id) => cgroupUsage(id, root) },
    running: () => runningPods(pods, record),
    nodeName: 'n',
    clock,
  });
  return {
    clock,
    meter,
    uses(id: string, { seconds, bytes }: { seconds: number; bytes: number }): void {
      mkdirSync(path.join(root, id), { recursive: true });
      writeFileSync(path.join(root, id, 'cpu.stat'), `usage_usec ${seconds * 1e6}\n`);
      writeFileSync(path.join(root, id, 'memory.current'), String(bytes));
      writeFileSync(path.join(root, id, 'memory.stat'), 'inactive_file 0\n');
    },
    [Symbol.dispose]: () => rmSync(root, { recursive: true }),
  };
}

function pod(name: string): Pod {
  const metadata = { name, namespace: 'default', uid: name, labels: { app: name } };
  return { apiVersion: 'v1', kind: 'Pod', metadata, spec: { containers: [] } };
}

function container(id: string, startedAt = '2025-12-31T00:00:00Z') {
  return { id, attempt: 0, image: 'i', imageID: 'i', startedAt };
}

test('usage: a rate needs two rounds, and is told with the pod’s labels', async () => {
  using it = setUp({ web: { main: container('c') } });
  it.uses('c', { seconds: 100, bytes: 0 });
  await it.meter.measure();
  assert.deepEqual(it.meter.pods(), []);
  it.uses('c', { seconds: 103, bytes: 8192 });
  it.clock.advance(15_000);
  await it.meter.measure();
  assert.deepEqual(it.meter.pods(), [
    {
      apiVersion: 'metrics.k8s.io/v1beta1',
      kind: 'PodMetrics',
      metadata: {
        name: 'web',
        namespace: 'default',
        labels: { app: 'web' },
        creationTimestamp: '2026-01-01T00:00:15Z',
      },
      timestamp: '2026-01-01T00:00:15Z',
      window: '15s',
      containers: [{ name: 'main', usage: { cpu: '200m', memory: '8Ki' } }],
    },
  ]);
});

test('usage: a container that has just begun is measured from its beginning', async () => {
  using it = setUp({ web: { main: container('c', '2026-01-01T00:00:00Z') } });
  it.clock.advance(10_000);
  it.uses('c', { seconds: 5, bytes: 0 });
  await it.meter.measure();
  const [found] = it.meter.pods();
  assert.deepEqual(found?.containers[0]?.usage['cpu'], '500m');
  assert.equal(found?.window, '10s');
});

test('usage: of a pod with a container that is not measured yet nothing is told', async () => {
  using it = setUp({ two: { a: container('a'), b: container('b') }, one: { c: container('c') } });
  const round = async (): Promise<string[]> => {
    it.clock.advance(15_000);
    await it.meter.measure();
    return it.meter.pods().map(({ metadata }) => metadata.name ?? '');
  };
  it.uses('a', { seconds: 1, bytes: 1 });
  it.uses('c', { seconds: 1, bytes: 1 });
  await round();
  assert.deepEqual(await round(), ['one']);
  it.uses('b', { seconds: 1, bytes: 1 });
  assert.deepEqual(await round(), ['one']);
  assert.deepEqual(await round(), ['two', 'one']);
});

test('usage: containers that have ended or not begun are left out', () => {
  const terminated = { exitCode: 0 };
  const { startedAt: _, ...waiting } = container('b');
  const records = { a: { ...container('a'), terminated }, b: waiting, c: container('c') };
  const running = runningPods([pod('p')], () => ({
    version: 1,
    namespace: 'default',
    name: 'p',
    uid: 'p',
    address: '',
    startTime: '',
    containers: records,
  }));
  assert.deepEqual(
    running.map(({ containers }) => containers.map(({ name }) => name)),
    [['c']],
  );
});

test('usage: the machine’s own is told from the second round on', async () => {
  using it = setUp({});
  await it.meter.measure();
  assert.deepEqual(it.meter.nodes(), []);
  it.clock.advance(15_000);
  await it.meter.measure();
  const [node] = it.meter.nodes();
  assert.equal(node?.metadata.name, 'n');
  assert.ok(amountOf(node?.usage['memory'] ?? '0') > 0);
});
