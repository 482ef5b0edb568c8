import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { silentLog } from '#base/log.ts';
import { startCollector, startGrpcCollector } from '#test/support/collector.ts';
import { portOf } from '#test/support/gateway-bed.ts';
import { parsePrometheusText } from '#test/support/prometheus-parser.ts';
import type { Message } from '#test/support/protobuf-reader.ts';
import { Metrics } from './metrics.ts';
import { MetricsTeller } from './metrics-teller.ts';

const scope = 'knative.dev/serving/pkg/queue';

function stage() {
  const metrics = new Metrics();
  const clock = new FakeClock();
  const hits = metrics.counter({ name: 'hits', unit: '{hit}', description: 'Hits', scope });
  hits.of({ 'kn.revision.name': 'hello-00001', code: 200 }).add(3);
  const bounds = [0.1, 1];
  const took = metrics.histogram({ name: 'took', unit: 's', description: 'Took', scope, bounds });
  took.of({}).record(0.5);
  const teller = new MetricsTeller({
    metrics,
    resource: { name: 'gateway', version: '1.2.3', instance: 'node-1' },
    addressOf: (host) => (host === 'collector.default.svc' ? '127.0.0.1' : undefined),
    clock,
    log: silentLog,
  });
  return { metrics, clock, hits, teller };
}

async function scrape(port: number | undefined): Promise<ReturnType<typeof parsePrometheusText>> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  return parsePrometheusText(await response.text());
}

test('prometheus: a scrape brings what is measured now, and nothing else is answered', async () => {
  const { hits, teller } = stage();
  await using told = teller;
  await told.tell({ protocol: 'prometheus', host: '127.0.0.1', port: 0 });
  assert.equal((await scrape(told.port)).value('hits_total', { code: '200' }), 3);
  hits.of({ 'kn.revision.name': 'hello-00001', code: 200 }).add();
  assert.equal((await scrape(told.port)).value('hits_total', { code: '200' }), 4);
  const elsewhere = await fetch(`http://127.0.0.1:${told.port}/`);
  assert.equal(elsewhere.status, 404);
  const written = await fetch(`http://127.0.0.1:${told.port}/metrics`, { method: 'POST' });
  assert.equal(written.status, 405);
  const { port } = told;
  await told.tell({ protocol: 'none' });
  await assert.rejects(fetch(`http://127.0.0.1:${port}/metrics`));
});

test('prometheus: a port that is taken is asked for again', async () => {
  const { clock, teller } = stage();
  await using told = teller;
  const other = createServer();
  other.listen(0, '127.0.0.1');
  await once(other, 'listening');
  const port = portOf(other);
  await told.tell({ protocol: 'prometheus', host: '127.0.0.1', port });
  assert.equal(told.port, undefined);
  other.close();
  await once(other, 'close');
  clock.advance(5_000);
  await told.tell({ protocol: 'prometheus', host: '127.0.0.1', port });
  assert.equal((await scrape(port)).value('hits_total'), 3);
});

/** `name: value` of KeyValues, numbers as text. */
function attributesOf(keyValues: readonly Message[]): string[] {
  return keyValues.map((each) => {
    const value = each.message(2);
    return `${each.text(1)}: ${value.text(1) || String(value.integers(3)[0])}`;
  });
}

function checkMetrics(message: Message): void {
  const told = message.message(1);
  assert.deepEqual(attributesOf(told.message(1).messages(1)), [
    'service.name: gateway',
    'service.version: 1.2.3',
    'service.instance.id: node-1',
  ]);
  const scoped = told.message(2);
  assert.equal(scoped.message(1).text(1), scope);
  const [hits, took] = scoped.messages(2);
  assert.ok(hits && took);
  assert.deepEqual([hits.text(1), hits.text(2), hits.text(3)], ['hits', 'Hits', '{hit}']);
  const sum = hits.message(7);
  assert.deepEqual([sum.integers(2), sum.integers(3)], [[2], [1]], 'cumulative and monotonic');
  const [point] = sum.messages(1);
  assert.deepEqual(point?.doubles(4), [3]);
  assert.deepEqual(attributesOf(point?.messages(7) ?? []), [
    'kn.revision.name: hello-00001',
    'code: 200',
  ]);
  const [histogram] = took.message(9).messages(1);
  assert.deepEqual(histogram?.integers(4), [1]);
  assert.deepEqual(histogram?.doubles(5), [0.5]);
  assert.equal(histogram?.bytes(6).length, 3 * 8, 'a count for each bucket');
  assert.equal(histogram?.bytes(7).readDoubleLE(8), 1);
}

test('http/protobuf: sent each interval to the path of the endpoint, or OTLP’s own', async () => {
  const { clock, teller } = stage();
  await using told = teller;
  await using collector = await startCollector();
  const endpoint = `http://127.0.0.1:${collector.port}`;
  await told.tell({ protocol: 'http/protobuf', endpoint, intervalMs: 1_000 });
  clock.advance(1_000);
  const first = await collector.next();
  assert.equal(first.path, '/v1/metrics');
  assert.equal(first.contentType, 'application/x-protobuf');
  checkMetrics(first.message);
  await told.tell({ protocol: 'http/protobuf', endpoint: `${endpoint}/otlp`, intervalMs: 2_000 });
  clock.advance(2_000);
  assert.equal((await collector.next()).path, '/otlp');
});

test('http/protobuf: a Service of the cluster is found by its address', async () => {
  const { clock, teller } = stage();
  await using told = teller;
  await using collector = await startCollector();
  const endpoint = `http://collector.default.svc:${collector.port}`;
  await told.tell({ protocol: 'http/protobuf', endpoint, intervalMs: 1_000 });
  clock.advance(1_000);
  checkMetrics((await collector.next()).message);
});

test('grpc: the same message as a unary call', async () => {
  const { clock, teller } = stage();
  await using told = teller;
  await using collector = await startGrpcCollector();
  const endpoint = `http://127.0.0.1:${collector.port}`;
  await told.tell({ protocol: 'grpc', endpoint, intervalMs: 1_000 });
  clock.advance(1_000);
  const { path, contentType, message } = await collector.next();
  assert.equal(path, '/opentelemetry.proto.collector.metrics.v1.MetricsService/Export');
  assert.equal(contentType, 'application/grpc');
  checkMetrics(message);
});
