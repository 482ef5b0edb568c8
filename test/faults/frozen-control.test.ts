import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sleep, systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { systemRandom } from '#base/random.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Node } from '#api/core-v1/node.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Informer } from '#client/informer.ts';
import { reportFault, scaled, timesText } from '#test/support/fault-report.ts';
import { openLoop } from '#test/support/open-loop.ts';
import { pidOf, startPlatform, type Platform } from '#test/support/platform.ts';
import { connect } from '#test/support/platform-client.ts';
import { sampleImage } from '#test/support/sample-image.ts';

const FULL_S = 60;
/** Longer than a node may be silent where all is done. */
const STILL_S = scaled(FULL_S) < FULL_S ? 15 : FULL_S;
const PER_SECOND = 50;

async function warmService(it: Platform): Promise<string> {
  const image = await sampleImage(it);
  const annotations = { 'autoscaling.knative.dev/min-scale': '1' };
  const manifest = {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name: 'warm', namespace: 'default' },
    spec: { template: { metadata: { annotations }, spec: { containers: [{ image }] } } },
  };
  await it.ok(['apply', '-f', '-'], JSON.stringify(manifest));
  await it.ok(['wait', 'ksvc/warm', '--for=condition=Ready', '--timeout=60s']);
  return (await it.ok(['get', 'ksvc', 'warm', '-o', 'jsonpath={.status.url}'])).trim();
}

test('F11: control stands still for a minute: who is called goes on, and nobody believes anything untrue after it', async () => {
  await using it = await startPlatform();
  const { client, transport } = connect(it);
  await using _ = transport;
  const url = await warmService(it);
  const parts = { client, clock: systemClock, random: systemRandom, log: silentLog };
  const { signal } = new AbortController();
  await using pods = new Informer(Pod, { ...parts, signal });
  await using nodes = new Informer(Node, { ...parts, signal });
  await using maps = new Informer(ConfigMap, { ...parts, signal });
  await Promise.all([pods.synced(), nodes.synced(), maps.synced()]);
  const readiness = new Set<string | undefined>();
  nodes.onChange(({ current }) => {
    readiness.add(current?.status?.conditions?.find(({ type }) => type === 'Ready')?.status);
  });
  const uids = (): (string | undefined)[] =>
    pods.list('default').map(({ metadata }) => metadata.uid);
  const before = uids();
  const created = new Set<string | undefined>();
  pods.onChange(({ current }) => created.add(current?.metadata.uid));

  const load = openLoop(url, { requests: (STILL_S + 25) * PER_SECOND, perSecond: PER_SECOND });
  await load.reached(5 * PER_SECOND);
  const control = pidOf(it.home, 'control');
  process.kill(control, 'SIGSTOP');
  await sleep(systemClock, STILL_S * 1_000);
  process.kill(control, 'SIGCONT');
  const backMs = performance.now();
  await client.create(ConfigMap, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'after', namespace: 'default' },
  });
  const writtenMs = performance.now() - backMs;
  const isSeen = (): boolean => maps.get({ namespace: 'default', name: 'after' }) !== undefined;
  assert.ok(await maps.until(isSeen, 30_000), 'a watch of before does not go on');
  const seenMs = performance.now() - backMs;
  const { failures, timesMs } = await load.ended();

  reportFault({
    id: 'F11',
    what: `SIGSTOP of control for ${STILL_S} s under ${PER_SECOND} requests/s`,
    count: timesMs.length,
    found: `${failures.length} failed, ${timesText(timesMs)}; written after ${writtenMs.toFixed(0)} ms, seen by a watch of before after ${seenMs.toFixed(0)} ms; node ${[...readiness].join(', ')}`,
  });
  assert.deepEqual(failures, []);
  assert.equal(pidOf(it.home, 'control'), control);
  assert.deepEqual([...readiness], ['True']);
  assert.deepEqual(uids(), before);
  assert.deepEqual([...created], before, 'no pod came and went meanwhile');
});
