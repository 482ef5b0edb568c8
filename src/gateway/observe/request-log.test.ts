import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { systemClock } from '#base/clock.ts';
import { parseRequestLogTemplate } from '#api/serving-config/request-log.ts';
import { parseObservabilityConfig } from '#api/serving-config/config-observability.ts';
import { ask, startApp, startGatewayBed } from '#test/support/gateway-bed.ts';
import { RequestLog, type RequestLogSettings } from './request-log.ts';

const labels = {
  'serving.knative.dev/service': 'hello',
  'serving.knative.dev/configuration': 'hello',
};

/** A gateway with one revision behind it, whose requests are logged as `said` says at the time. */
async function stage(said: { template: string; logsProbes?: boolean }) {
  await using resources = new AsyncDisposableStack();
  let text = '';
  const settings = (): RequestLogSettings => ({
    template: parseRequestLogTemplate(said.template),
    logsProbes: said.logsProbes ?? false,
  });
  const requestLog = new RequestLog({
    settings,
    write: (lines) => {
      text += lines;
    },
    monotonicMs: () => systemClock.monotonicMs(),
  });
  const bed = resources.use(await startGatewayBed({ requestLog }));
  const app = resources.use(await startApp((_request, response) => response.end('hello')));
  await bed.revision('hello-00001', {}, labels);
  await bed.pods('hello-00001', [{ name: 'pod-a', port: app.port }]);
  await bed.route('hello.test', 'hello-00001');
  const owned = resources.move();
  return {
    port: bed.gateway.ports.public,
    async logged(): Promise<string> {
      await setImmediate();
      const all = text;
      text = '';
      return all;
    },
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  };
}

test('request log: Knative’s own template makes one line of JSON', async () => {
  await using it = await stage({ template: parseObservabilityConfig({}).requestLogTemplate });
  const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00';
  await ask(it.port, {
    host: 'hello.test',
    path: '/path?a=%22&b=1',
    method: 'POST',
    body: 'four',
    headers: { 'user-agent': 'test/1 "quoted"', referer: 'http://elsewhere/', traceparent },
  });
  const line = await it.logged();
  assert.equal(line.split('\n').length, 2, `line: ${line}`);
  const { httpRequest, traceId } = JSON.parse(line) as {
    httpRequest: Record<string, unknown>;
    traceId: string;
  };
  const { latency, remoteIp, ...rest } = httpRequest;
  assert.deepEqual(rest, {
    requestMethod: 'POST',
    requestUrl: '/path?a=%22&b=1',
    requestSize: '4',
    status: 200,
    responseSize: '5',
    userAgent: 'test/1 "quoted"',
    serverIp: '127.0.0.1',
    referer: 'http://elsewhere/',
    protocol: 'HTTP/1.1',
  });
  assert.match(String(latency), /^0\.\d+s$/);
  assert.match(String(remoteIp), /^127\.0\.0\.1:\d+$/);
  assert.equal(traceId, '0af7651916cd43dd8448eb211c80319c');
});

test('request log: one’s own template, changed while requests come', async () => {
  const said = { template: '{{.Revision.Service}} {{.Revision.PodName}} {{.Request.Host}}' };
  await using it = await stage(said);
  await ask(it.port, { host: 'hello.test' });
  assert.equal(await it.logged(), 'hello pod-a hello.test\n');
  said.template =
    '{{.Request.Header.Get "X-Mine"}}|{{index .Request.Header "X-Mine"}}|{{.Request.TLS}}\n';
  await ask(it.port, { host: 'hello.test', headers: { 'x-mine': ['yes', 'no'] } });
  assert.equal(await it.logged(), 'yes|yes|false\n');
  said.template = '';
  await ask(it.port, { host: 'hello.test' });
  assert.equal(await it.logged(), '');
});

test('request log: probes only where they are asked for', async () => {
  const said = { template: '{{.Response.Code}} {{.Revision.Name}}', logsProbes: false };
  await using it = await stage(said);
  const probe = { 'k-network-probe': 'probe', 'k-network-hash': 'override' };
  const kubelet = { 'user-agent': 'kube-probe/1.34' };
  await ask(it.port, { host: 'hello.test', headers: probe });
  await ask(it.port, { host: 'hello.test', headers: kubelet });
  assert.equal(await it.logged(), '');
  said.logsProbes = true;
  await ask(it.port, { host: 'hello.test', headers: probe });
  await ask(it.port, { host: 'hello.test', headers: kubelet });
  assert.equal(await it.logged(), '200 hello-00001\n200 hello-00001\n');
});
