import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { systemRandom } from '#base/random.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Service } from '#api/serving-v1/service.ts';
import { Informer } from '#client/informer.ts';
import { reportFault, scaled, timesText } from '#test/support/fault-report.ts';
import { call, startPlatform } from '#test/support/platform.ts';
import { connect } from '#test/support/platform-client.ts';
import { sampleImage } from '#test/support/sample-image.ts';

const SERVICES = scaled(100);
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

test('F19: Services that are called all at once at zero answer, and one whose pods end again and again takes nothing from them', async () => {
  await using it = await startPlatform();
  const { client, transport } = connect(it);
  await using _ = transport;
  const image = await sampleImage(it);
  const names = Array.from({ length: SERVICES }, (_each, at) => `called-${at}`);
  const items = [
    ...names.map((name) => service(name, { image })),
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
  const timesMs: number[] = [];
  let ended = 0;
  for (let round = 0; round < ROUNDS; round += 1) {
    assert.ok(await pods.until(isAtZero, AT_ZERO_MS), `not at zero before round ${round}`);
    const poison = Promise.allSettled(Array.from({ length: 10 }, () => call(poisoned)));
    const answers = await Promise.all(names.map((name) => call(urlOf.get(name) ?? '')));
    const wrong = answers.filter(({ status }) => status !== 200);
    assert.deepEqual(wrong, []);
    timesMs.push(...answers.map(({ tookMs }) => tookMs));
    for (const outcome of await poison) {
      if (outcome.status === 'rejected' || outcome.value.status !== 200) ended += 1;
    }
  }
  reportFault({
    id: 'F19',
    what: `${SERVICES} Services at zero called at once, ${ROUNDS} rounds, beside one that ends with each request`,
    count: timesMs.length,
    found: `0 errors, ${timesText(timesMs)}; ${ended} requests to the one that ends were told so`,
  });
  assert.equal(ended, 10 * ROUNDS, 'nothing ended: this would prove nothing');
});
