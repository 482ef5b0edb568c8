import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import type { PreparedCounts } from '#base/prepared-counts.ts';
import { systemRandom } from '#base/random.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Service } from '#api/serving-v1/service.ts';
import { Informer } from '#client/informer.ts';
import { reportFault, scaled, timesText } from '#test/support/fault-report.ts';
import { call, startPlatform, type Platform } from '#test/support/platform.ts';
import { connect } from '#test/support/platform-client.ts';
import { sampleImage } from '#test/support/sample-image.ts';
import { staticServer } from '#test/support/static-image.ts';

const SERVICES = scaled(100);
/** Of the two halves one begins as soon as all are at zero, and one when sandboxes are prepared again. */
const ROUNDS = Math.max(2, scaled(10));
const AT_ZERO_MS = 180_000;
const NAME = 'serving.knative.dev/service';
/** Ends with each request that it is sent. */
const POISONED = `require('node:http').createServer(() => process.exit(1)).listen(8080)`;

function service(name: string, container: object): object {
  const annotations = { 'autoscaling.knative.dev/window': '6s' };
  return {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name },
    spec: { template: { metadata: { annotations }, spec: { containers: [container] } } },
  };
}

async function untilPrepared(it: Platform, wanted: number): Promise<void> {
  const deadlineMs = systemClock.monotonicMs() + AT_ZERO_MS;
  for (;;) {
    const { stdout } = await it.knode('status', '-o', 'json');
    const { prepared } = JSON.parse(stdout) as { readonly prepared: PreparedCounts };
    if (prepared.ready >= Math.min(wanted, prepared.capacity)) return;
    assert.ok(systemClock.monotonicMs() < deadlineMs, `prepared: ${JSON.stringify(prepared)}`);
    await sleep(1_000);
  }
}

test('F19: Services that are called all at once at zero answer, and one whose pods end again and again takes nothing from them', async () => {
  await using it = await startPlatform();
  const { client, transport } = connect(it);
  await using _ = transport;
  const image = await sampleImage(it);
  const folder = await mkdtemp(path.join(tmpdir(), 'knode-called-'));
  await using stack = new AsyncDisposableStack();
  stack.defer(async () => await rm(folder, { recursive: true, force: true }));
  const { container } = await staticServer(it, folder);
  const names = Array.from({ length: SERVICES }, (_each, at) => `called-${at}`);
  const items = [
    ...names.map((name) => service(name, container)),
    service('poisoned', { image, command: ['node', '-e', POISONED] }),
  ];
  await it.ok(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  await it.ok(['wait', 'ksvc', '--all', '--for=condition=Ready', '--timeout=600s']);
  const services = (await client.list(Service, { namespace: 'default' })).items;
  const urlOf = new Map(services.map(({ metadata, status }) => [metadata.name, status?.url ?? '']));
  const parts = { client, clock: systemClock, random: systemRandom, log: silentLog };
  await using pods = new Informer(Pod, { ...parts, signal: new AbortController().signal });
  await pods.synced();
  const isAtZero = (): boolean =>
    pods.list('default').every(({ metadata }) => metadata.labels?.[NAME] === 'poisoned');
  const poisoned = urlOf.get('poisoned') ?? '';
  const unpreparedMs: number[] = [];
  const preparedMs: number[] = [];
  let ended = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    assert.ok(await pods.until(isAtZero, AT_ZERO_MS), `not at zero before round ${round}`);
    const isPrepared = round % 2 === 1;
    if (isPrepared) await untilPrepared(it, SERVICES);
    const poison = Promise.allSettled(Array.from({ length: 10 }, () => call(poisoned)));
    const answers = await Promise.all(names.map((name) => call(urlOf.get(name) ?? '')));
    const wrong = answers.filter(({ status }) => status !== 200);
    assert.deepEqual(wrong, []);
    (isPrepared ? preparedMs : unpreparedMs).push(...answers.map(({ tookMs }) => tookMs));
    for (const outcome of await poison) {
      if (outcome.status === 'rejected' || outcome.value.status !== 200) ended += 1;
    }
  }
  reportFault({
    id: 'F19',
    what: `${SERVICES} Services at zero called at once, ${ROUNDS} rounds, beside one that ends with each request`,
    count: unpreparedMs.length + preparedMs.length,
    found: `0 errors; prepared ${timesText(preparedMs)}; as soon as at zero ${timesText(unpreparedMs)}; ${ended} requests to the one that ends were told so`,
  });
  assert.equal(ended, 10 * ROUNDS, 'nothing ended: this would prove nothing');
});
