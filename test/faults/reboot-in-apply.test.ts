import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { sleep, systemClock } from '#base/clock.ts';
import { forEachLimited } from '#images/for-each-limited.ts';
import { reportFault, scaled } from '#test/support/fault-report.ts';
import { tracesOf } from '#test/support/machine-traces.ts';
import { call, platform, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';
import { portFlags, simulateReboot } from '#test/support/simulated-reboot.ts';

const SERVICES = scaled(200);
/** For the processor may be shared, and two pods start at once for each core. */
const CONVERGES_MS = 900_000;
/** At once: what comes of all of them is asked elsewhere (F19). */
const CALLS = 8;
const GONE_MS = 60_000;
const LOOK_AGAIN_MS = 500;
const CHILDREN =
  'configurations,routes,revisions,deployments,replicasets,podautoscalers,kingress,sks';

function service(name: string, image: string): object {
  const annotations = { 'autoscaling.knative.dev/window': '6s' };
  return {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name },
    spec: { template: { metadata: { annotations }, spec: { containers: [{ image }] } } },
  };
}

/** What is there of containers and their networks, each named. */
async function leftOvers({ home }: Platform): Promise<string[]> {
  const traces = await tracesOf(home);
  const pods = readdirSync(path.join(home, 'agent/pods')).map((name) => `folder: ${name}`);
  return [...pods, ...traces.filter((trace) => /^(mounts|namespaces|links)|conmon/.test(trace))];
}

/** Resolves when nothing is left to `look` for. */
async function none(look: () => Promise<readonly string[]>, withinMs: number): Promise<void> {
  const deadlineMs = performance.now() + withinMs;
  for (let found = await look(); found.length > 0; found = await look()) {
    assert.ok(performance.now() < deadlineMs, `there still: ${found.join(', ')}`);
    await sleep(systemClock, LOOK_AGAIN_MS);
  }
}

test('F12: a reboot in the middle of an apply loses nothing that was answered, and leaves nothing behind', async (context) => {
  await using it = platform();
  const started = await it.knode('up', '-d', ...it.ports);
  assert.equal(started.code, 0, started.stderr);
  const image = await sampleImage(it);
  const names = Array.from({ length: SERVICES }, (_each, at) => `service-${at}`);
  const items = names.map((name) => service(name, image));
  const list = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });

  const applying = it.kubectl(['apply', '-f', '-'], { input: list });
  const all = async (kinds: string): Promise<string[]> =>
    (await it.ok(['get', kinds, '-o', 'name'])).split('\n').filter(Boolean);
  const isHalfThere = async (): Promise<boolean> => (await all('ksvc')).length >= SERVICES / 2;
  await none(async () => ((await isHalfThere()) ? [] : ['less than half']), CONVERGES_MS);
  const pods = await all('pods');
  const ports = portFlags(it.home);
  await simulateReboot(it.home);
  const { stdout } = await applying;
  const answered = [...stdout.matchAll(/^service\.serving\.knative\.dev\/(\S+) created$/gm)].map(
    ([, name]) => name ?? '',
  );

  const startMs = performance.now();
  const again = await it.knode('up', '-d', ...ports);
  assert.equal(again.code, 0, again.stderr);
  const kept = new Set((await all('ksvc')).map((name) => name.split('/')[1]));
  const lost = answered.filter((name) => !kept.has(name));
  assert.deepEqual(lost, [], 'answered, and not there');
  // Whoever applied does it again, as one does.
  await it.ok(['apply', '-f', '-'], list);
  await it.ok(['wait', 'ksvc', '--all', '--for=condition=Ready', '--timeout=900s']);
  const readyMs = performance.now() - startMs;
  const urls = await it.ok(['get', 'ksvc', '-o', 'jsonpath={.items[*].status.url}']);
  const statuses: number[] = [];
  await forEachLimited(urls.split(' '), { limit: CALLS, signal: context.signal }, async (url) => {
    statuses.push((await call(url)).status);
  });
  assert.equal(statuses.length, SERVICES);
  assert.deepEqual(new Set(statuses), new Set([200]));

  await it.ok(['delete', 'ksvc', '--all', '--timeout=600s']);
  await none(async () => await all(`${CHILDREN},pods`), GONE_MS);
  await none(async () => await leftOvers(it), GONE_MS);
  reportFault({
    id: 'F12',
    what: `a reboot in the middle of an apply of ${SERVICES} Services`,
    count: SERVICES,
    found: `${answered.length} answered and ${pods.length} pods before, 0 lost, all Ready ${Math.round(readyMs / 1_000)} s after the start, 0 left over`,
  });
});
