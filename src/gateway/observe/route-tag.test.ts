import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '#base/clock.ts';
import { seededRandom } from '#base/random.ts';
import { Metrics } from '#telemetry/metrics.ts';
import { prometheusText } from '#telemetry/prometheus-text.ts';
import type { Span } from '#telemetry/span.ts';
import { ask, startApp, startGatewayBed } from '#test/support/gateway-bed.ts';
import { parsePrometheusText, type Scrape } from '#test/support/prometheus-parser.ts';
import { Tracer } from './tracer.ts';

const TAG = 'Knative-Serving-Tag';
const DEFAULT = 'Knative-Serving-Default-Route';

/** A gateway with one revision, which routes lead to that set `appendHeaders`. */
async function stage() {
  await using resources = new AsyncDisposableStack();
  const spans: Span[] = [];
  const metrics = new Metrics();
  const tracer = new Tracer({
    random: seededRandom(3),
    isTelling: () => true,
    samplingRate: () => 1,
    add: (span) => void spans.push(span),
    wallClockMs: () => systemClock.now().getTime(),
    monotonicMs: () => systemClock.monotonicMs(),
  });
  const bed = resources.use(await startGatewayBed({ metrics, tracer }));
  const app = resources.use(await startApp((_request, response) => response.end('hello')));
  await bed.revision('hello-00001');
  await bed.pods('hello-00001', [{ name: 'pod-a', port: app.port }]);
  const owned = resources.move();
  return {
    spans,
    async route(host: string, appendHeaders: Record<string, string>): Promise<void> {
      const split = { serviceNamespace: 'default', serviceName: 'hello-00001', servicePort: 80 };
      const path = { splits: [{ ...split, percent: 100 }], appendHeaders };
      await bed.route(host, 'hello-00001', { path });
    },
    async ask(host: string, headers: Record<string, string> = {}): Promise<void> {
      await ask(bed.gateway.ports.public, { host, headers });
    },
    scraped(): Scrape {
      const resource = { name: 'gateway', version: '0', instance: 'x' };
      return parsePrometheusText(prometheusText(metrics, resource));
    },
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  };
}

const COUNT = 'http_server_request_duration_seconds_count';

type Fields = Readonly<Record<string, string>>;
const cases: readonly (readonly [set: Fields, sent: Fields, tag: string])[] = [
  [{}, {}, 'kn:disabled'],
  [{ [DEFAULT]: 'true' }, {}, 'kn:default'],
  [{ [DEFAULT]: 'true' }, { [TAG]: '' }, 'kn:default'],
  [{ [DEFAULT]: 'true' }, { [TAG]: 'nobody' }, 'kn:undefined'],
  [{ [DEFAULT]: 'true' }, { [TAG]: 'nobody', [DEFAULT]: 'false' }, 'kn:undefined'],
  [{ [TAG]: 'blue' }, {}, 'blue'],
  [{ [TAG]: 'blue' }, { [TAG]: 'green' }, 'blue'],
  [{}, { [TAG]: 'green' }, 'green'],
  [{}, { [TAG]: 'green', [DEFAULT]: 'false' }, 'green'],
  [{}, { [TAG]: 'green', connection: `close, ${TAG}` }, 'kn:disabled'],
];

test('route tag: metrics and the server’s span say by which tag a request came', async () => {
  await using it = await stage();
  const seen = new Map<string, number>();
  for (const [at, [set, sent, tag]] of cases.entries()) {
    const host = `case-${at}.test`;
    await it.route(host, { ...set });
    await it.ask(host, { ...sent });
    const told = it.spans
      .splice(0)
      .map(({ kind, attributes }) => [kind, attributes['kn.route.tag']]);
    assert.deepEqual(
      told.filter(([, value]) => value !== undefined),
      [['server', tag]],
      `case ${at}`,
    );
    seen.set(tag, (seen.get(tag) ?? 0) + 1);
    assert.equal(it.scraped().value(COUNT, { kn_route_tag: tag }), seen.get(tag), `case ${at}`);
  }
});

test('route tag: tags that a client makes up are told apart up to a bound, and take nobody’s place', async () => {
  await using it = await stage();
  await it.route('hello.test', {});
  for (let count = 0; count < 105; count += 1)
    await it.ask('hello.test', { [TAG]: `tag-${count}` });
  await it.ask('hello.test', { [TAG]: 'x'.repeat(64) });
  await it.ask('hello.test');
  const found = it.scraped();
  assert.equal(found.find(COUNT).length, 102);
  assert.equal(found.value(COUNT, { otel_metric_overflow: 'true' }), 6);
  assert.equal(found.value(COUNT, { kn_route_tag: 'kn:disabled' }), 1);
  const ofStatus = { http_response_status_code: '200' };
  assert.equal(found.value('kn_serving_invocation_duration_seconds_count', ofStatus), 107);
});
