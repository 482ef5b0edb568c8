import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Pod } from '#api/core-v1/pod.ts';
import type { Client } from '#client/client.ts';
import { Informer } from '#client/informer.ts';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { systemRandom } from '#base/random.ts';
import { timesText } from '#test/support/fault-report.ts';
import { openLoop } from '#test/support/open-loop.ts';
import { startPlatform, type Platform } from '#test/support/platform.ts';
import { connect } from '#test/support/platform-client.ts';
import { sampleImage } from '#test/support/sample-image.ts';

const TEST_MS = 120_000;
const PER_SECOND = 100;

let it: Platform;
let image = '';
let client: Client;
const resources = new AsyncDisposableStack();

before(async () => {
  it = resources.use(await startPlatform());
  image = await sampleImage(it);
  const connected = connect(it);
  resources.use(connected.transport);
  ({ client } = connected);
});

after(async () => await resources.disposeAsync());

/** A Service that always has so many pods, all ready; its URL. */
async function service(name: string, pods: number): Promise<string> {
  const annotations = { 'autoscaling.knative.dev/min-scale': String(pods) };
  const manifest = {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { template: { metadata: { annotations }, spec: { containers: [{ image }] } } },
  };
  await it.ok(['apply', '-f', '-'], JSON.stringify(manifest));
  await it.ok(['wait', `ksvc/${name}`, '--for=condition=Ready', '--timeout=60s']);
  const selector = `-l=serving.knative.dev/service=${name}`;
  await it.ok(['wait', 'pod', selector, '--for=condition=Ready', '--timeout=60s']);
  return (await it.ok(['get', 'ksvc', name, '-o', 'jsonpath={.status.url}'])).trim();
}

async function podsOf(name: string): Promise<readonly Pod[]> {
  const labelSelector = `serving.knative.dev/service=${name}`;
  return (await client.list(Pod, { namespace: 'default', labelSelector })).items;
}

/** Kills the pod's own program as the machine knows it: nobody is told. */
function killProgram({ metadata, spec }: Pod): void {
  const name = spec?.containers[0]?.name ?? '';
  const folder = path.join(it.home, 'agent/pods', metadata.uid ?? '', 'containers', name);
  const attempt = Math.max(...readdirSync(folder).map(Number));
  process.kill(Number(readFileSync(path.join(folder, String(attempt), 'pid'), 'utf8')), 'SIGKILL');
}

async function restarts(name: string): Promise<number> {
  const counts = (await podsOf(name)).map(
    ({ status }) => status?.containerStatuses?.[0]?.restartCount ?? 0,
  );
  return counts.reduce((sum, count) => sum + count, 0);
}

test('F03: a killed pod of two loses no request', { timeout: TEST_MS }, async () => {
  const url = await service('pair', 2);
  const load = openLoop(url, { requests: 800, perSecond: PER_SECOND });
  const [one, other] = await podsOf('pair');
  assert.ok(one && other);
  await load.reached(200);
  killProgram(one);
  await load.reached(500);
  killProgram(other);
  const { failures, timesMs } = await load.ended();
  process.stdout.write(`two pods, each killed once: ${timesText(timesMs)}\n`);
  assert.deepEqual(failures, []);
  await it.ok(['wait', 'pod', '-l=serving.knative.dev/service=pair', '--for=condition=Ready']);
  assert.equal(await restarts('pair'), 2);
});

test(
  'F03: requests of the one pod that is killed wait until it is back',
  { timeout: TEST_MS },
  async () => {
    const url = await service('single', 1);
    const load = openLoop(url, { requests: 600, perSecond: PER_SECOND });
    const [only] = await podsOf('single');
    assert.ok(only);
    await load.reached(300);
    killProgram(only);
    const { failures, timesMs } = await load.ended();
    process.stdout.write(`one pod, killed once: ${timesText(timesMs)}\n`);
    assert.deepEqual(failures, []);
    assert.equal(await restarts('single'), 1);
  },
);

/** Takes more memory than it may, after a moment. */
const GREEDY = `const kept = []; setInterval(() => { console.log(kept.length); kept.push(Buffer.alloc(8e6, 1)); }, 20)`;

test(
  'F09: a container that the kernel ends for its memory says so, is tried again ever later, and costs nobody else',
  { timeout: TEST_MS },
  async () => {
    const pod = (name: string, command: readonly string[]): object => ({
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name },
      spec: {
        containers: [{ name: 'main', image, command, resources: { limits: { memory: '96Mi' } } }],
      },
    });
    const idle = ['node', '-e', 'setInterval(() => {}, 1000)'];
    const stop = new AbortController();
    const parts = { client, clock: systemClock, random: systemRandom, log: silentLog };
    await using pods = new Informer(Pod, { ...parts, signal: stop.signal });
    await pods.synced();
    const items = [pod('neighbour', idle), pod('greedy', ['node', '-e', GREEDY])];
    await it.ok(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
    const greedy = () =>
      pods.get({ namespace: 'default', name: 'greedy' })?.status?.containerStatuses?.[0];
    const waits: string[] = [];
    for (const [restartCount, backOff] of [
      [1, '10s'],
      [2, '20s'],
    ] as const) {
      const isWaiting = (): boolean =>
        greedy()?.restartCount === restartCount &&
        greedy()?.state?.waiting?.reason === 'CrashLoopBackOff';
      assert.ok(await pods.until(isWaiting, 40_000), `not waiting after ${restartCount} restarts`);
      waits.push(greedy()?.state?.waiting?.message?.split(' ')[1] ?? '');
      const { reason, exitCode } = greedy()?.lastState?.terminated ?? {};
      assert.deepEqual({ reason, exitCode }, { reason: 'OOMKilled', exitCode: 137 }, backOff);
    }
    assert.deepEqual(waits, ['10s', '20s']);
    const neighbour = pods.get({ namespace: 'default', name: 'neighbour' });
    assert.equal(neighbour?.status?.containerStatuses?.[0]?.restartCount, 0);
    assert.equal(neighbour.status.containerStatuses[0].ready, true);
  },
);
