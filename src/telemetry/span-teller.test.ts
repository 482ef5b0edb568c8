import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { silentLog } from '#base/log.ts';
import { startCollector, startGrpcCollector } from '#test/support/collector.ts';
import type { Message } from '#test/support/protobuf-reader.ts';
import { Metrics } from './metrics.ts';
import type { Span } from './span.ts';
import { SpanTeller } from './span-teller.ts';

const span: Span = {
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  parentId: '00f067aa0ba902b7',
  traceState: 'vendor=1',
  name: 'GET /',
  kind: 'server',
  startMs: 1_000.5,
  endMs: 1_002,
  attributes: { 'http.response.status_code': 503 },
  isError: true,
};

function stage() {
  const metrics = new Metrics();
  const clock = new FakeClock();
  const lines: string[] = [];
  const teller = new SpanTeller({
    metrics,
    resource: { name: 'gateway', version: '1.2.3', instance: 'node-1' },
    scope: 'knode/gateway',
    addressOf: () => undefined,
    write: (line) => void lines.push(line),
    clock,
    log: silentLog,
  });
  const dropped = (): number => {
    const [family] = metrics.families();
    const [series] = family?.list() ?? [];
    return series && 'value' in series ? series.value : Number.NaN;
  };
  return { teller, clock, lines, dropped };
}

function checkSpan(message: Message): void {
  const told = message.message(1);
  assert.equal(told.message(1).message(1).text(1), 'service.name');
  assert.equal(told.message(2).message(1).text(1), 'knode/gateway');
  const [found] = told.message(2).messages(2);
  assert.ok(found);
  assert.equal(found.bytes(1).toString('hex'), span.traceId);
  assert.equal(found.bytes(2).toString('hex'), span.spanId);
  assert.equal(found.text(3), 'vendor=1');
  assert.equal(found.bytes(4).toString('hex'), span.parentId);
  assert.equal(found.text(5), 'GET /');
  assert.deepEqual(found.integers(6), [2], 'a server’s');
  assert.deepEqual([found.integers(7), found.integers(8)], [[1_000_500_000], [1_002_000_000]]);
  assert.deepEqual(found.message(9).message(2).integers(3), [503]);
  assert.deepEqual(found.message(15).integers(3), [2], 'an error');
}

test('spans: told together after a while, over HTTP and gRPC', async () => {
  const { teller, clock } = stage();
  await using told = teller;
  await using http = await startCollector();
  told.tell({ protocol: 'http/protobuf', endpoint: `http://127.0.0.1:${http.port}` });
  told.add(span);
  told.add({ ...span, spanId: '00f067aa0ba902b8' });
  clock.advance(5_000);
  const received = await http.next();
  assert.equal(received.path, '/v1/traces');
  assert.equal(received.message.message(1).message(2).messages(2).length, 2);
  checkSpan(received.message);
  await using grpc = await startGrpcCollector();
  told.tell({ protocol: 'grpc', endpoint: `http://127.0.0.1:${grpc.port}` });
  told.add(span);
  await told[Symbol.asyncDispose]();
  const { path, message } = await grpc.next();
  assert.equal(path, '/opentelemetry.proto.collector.trace.v1.TraceService/Export');
  checkSpan(message);
});

test('spans: a batch does not wait for the clock', async () => {
  const { teller } = stage();
  await using told = teller;
  await using http = await startCollector();
  told.tell({ protocol: 'http/protobuf', endpoint: `http://127.0.0.1:${http.port}` });
  for (let count = 0; count < 512; count += 1) told.add(span);
  const { message } = await http.next();
  assert.equal(message.message(1).message(2).messages(2).length, 512);
});

test('spans: what a collector does not take is dropped and counted, and nobody waits', async () => {
  const { teller, clock, dropped } = stage();
  await using http = await startCollector(503);
  teller.tell({ protocol: 'http/protobuf', endpoint: `http://127.0.0.1:${http.port}` });
  for (let count = 0; count < 512 + 2_048 + 3; count += 1) teller.add(span);
  assert.equal(dropped(), 3, 'one batch is on its way, and so many wait');
  await http.next();
  teller.tell({ protocol: 'none' });
  assert.equal(teller.isTelling, false);
  assert.equal(dropped(), 3 + 2_048);
  clock.advance(5_000);
  await teller[Symbol.asyncDispose]();
  assert.equal(dropped(), 3 + 2_048 + 512);
});

test('spans: to standard output as lines of JSON', async () => {
  const { teller, lines } = stage();
  await using told = teller;
  told.add(span);
  told.tell({ protocol: 'stdout' });
  told.add(span);
  assert.deepEqual(
    lines.map((line) => JSON.parse(line) as unknown),
    [span],
  );
});
