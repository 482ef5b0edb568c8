import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '#base/clock.ts';
import { seededRandom } from '#base/random.ts';
import type { Span } from '#telemetry/span.ts';
import { parseTraceParent } from '#telemetry/trace-context.ts';
import { ask, startApp, startGatewayBed } from '#test/support/gateway-bed.ts';
import { Tracer } from './tracer.ts';

const labels = {
  'serving.knative.dev/service': 'hello',
  'serving.knative.dev/configuration': 'hello',
};

/** A gateway whose program answers with the traceparent that it got, and says the tracestate in a field. */
async function stage(said: { rate: number; isTelling?: boolean }) {
  await using resources = new AsyncDisposableStack();
  const spans: Span[] = [];
  const tracer = new Tracer({
    random: seededRandom(3),
    isTelling: () => said.isTelling ?? true,
    samplingRate: () => said.rate,
    add: (span) => void spans.push(span),
    wallClockMs: () => systemClock.now().getTime(),
    monotonicMs: () => systemClock.monotonicMs(),
  });
  const bed = resources.use(await startGatewayBed({ tracer }));
  const app = resources.use(
    await startApp(({ headers }, response) => {
      response.setHeader('x-tracestate', headers['tracestate'] ?? 'none');
      response.end(String(headers['traceparent'] ?? ''));
    }),
  );
  await bed.revision('hello-00001', { containerConcurrency: 1 }, labels);
  await bed.route('hello.test', 'hello-00001');
  const owned = resources.move();
  return {
    bed,
    spans,
    app,
    port: bed.gateway.ports.public,
    /** With one pod, which has answered already. */
    async warm(): Promise<void> {
      await bed.pods('hello-00001', [{ name: 'pod-a', port: app.port }]);
      await ask(bed.gateway.ports.public, { host: 'hello.test' });
      spans.length = 0;
    },
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  };
}

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';

test('tracing: a request belongs to its caller’s trace, and the program to the request', async () => {
  await using it = await stage({ rate: 1 });
  await it.warm();
  const headers = { traceparent: `00-${traceId}-${spanId}-01`, tracestate: 'vendor=1' };
  const answer = await ask(it.port, { host: 'hello.test', path: '/x?secret=1', headers });
  assert.equal(answer.headers['x-tracestate'], 'vendor=1');
  const told = parseTraceParent(answer.body);
  assert.equal(it.spans.length, 2);
  const [server, proxy] = it.spans;
  assert.ok(server && proxy);
  assert.deepEqual([server.name, server.kind, server.parentId], ['GET /x', 'server', spanId]);
  assert.deepEqual([proxy.name, proxy.kind], ['kn.queueproxy.proxy', 'client']);
  assert.equal(proxy.parentId, server.spanId);
  assert.deepEqual(told, { traceId, spanId: proxy.spanId, isSampled: true });
  assert.ok(it.spans.every((span) => span.traceId === traceId && span.traceState === 'vendor=1'));
  assert.ok(server.startMs <= proxy.startMs && proxy.endMs <= server.endMs);
  assert.equal(server.attributes['http.response.status_code'], 200);
  assert.equal(server.attributes['kn.revision.name'], 'hello-00001');
  assert.equal(proxy.attributes['k8s.pod.name'], 'pod-a');
  assert.ok(!JSON.stringify(it.spans).includes('secret'), 'queries are nobody’s business');
});

test('tracing: a wait for the first pod is a span of its own', async () => {
  await using it = await stage({ rate: 1 });
  const waiting = ask(it.port, { host: 'hello.test' });
  await it.bed.heard('demand');
  await it.bed.pods('hello-00001', [{ name: 'pod-a', port: it.app.port }]);
  await waiting;
  const [server, wait, proxy] = it.spans;
  assert.deepEqual(
    it.spans.map(({ name }) => name),
    ['GET /', 'throttler_try', 'kn.queueproxy.proxy'],
  );
  assert.equal(server?.parentId, undefined);
  assert.equal(wait?.parentId, server?.spanId);
  assert.equal(wait?.endMs, proxy?.startMs);
});

test('tracing: only what is sampled is told, by the caller’s word between 0 and 1', async () => {
  const said = { rate: 0, isTelling: true };
  await using it = await stage(said);
  await it.warm();
  const asked = async (flags?: string): Promise<string> => {
    const headers = flags === undefined ? {} : { traceparent: `00-${traceId}-${spanId}-${flags}` };
    return (await ask(it.port, { host: 'hello.test', headers })).body;
  };
  assert.equal(parseTraceParent(await asked('01'))?.isSampled, false);
  assert.equal(it.spans.length, 0);
  said.rate = 0.000_001;
  assert.equal(parseTraceParent(await asked('01'))?.isSampled, true);
  assert.equal(it.spans.splice(0).length, 2);
  said.rate = 0.999_999;
  assert.equal(parseTraceParent(await asked('00'))?.isSampled, false);
  assert.equal(it.spans.length, 0);
  said.isTelling = false;
  assert.equal(await asked('01'), `00-${traceId}-${spanId}-01`, 'it passes as it came');
  const headers = { tracestate: 'vendor=1,other=2' };
  const untold = await ask(it.port, { host: 'hello.test', headers });
  assert.deepEqual([untold.body, untold.headers['x-tracestate']], ['', 'vendor=1,other=2']);
});
