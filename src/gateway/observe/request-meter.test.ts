import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Revision } from '#api/serving-v1/revision.ts';
import { Metrics } from '#telemetry/metrics.ts';
import { prometheusText } from '#telemetry/prometheus-text.ts';
import { ask, startApp, startGatewayBed } from '#test/support/gateway-bed.ts';
import { parsePrometheusText, type Scrape } from '#test/support/prometheus-parser.ts';

const labels = {
  'serving.knative.dev/service': 'hello',
  'serving.knative.dev/configuration': 'hello',
};
const ofRevision = {
  k8s_namespace_name: 'default',
  kn_service_name: 'hello',
  kn_configuration_name: 'hello',
  kn_revision_name: 'hello-00001',
};

function scraped(metrics: Metrics): Scrape {
  const resource = { name: 'gateway', version: '0', instance: 'x' };
  return parsePrometheusText(prometheusText(metrics, resource));
}

test('requests: counted and timed by revision under upstream’s names', async () => {
  const metrics = new Metrics();
  await using bed = await startGatewayBed({ metrics });
  const held = Promise.withResolvers<void>();
  const arrived = Promise.withResolvers<void>();
  await using app = await startApp((request, response) => {
    if (request.url === '/held') {
      arrived.resolve();
      void held.promise.then(() => response.end('held'));
      return;
    }
    response.statusCode = request.url === '/bad' ? 500 : 200;
    request.resume();
    request.on('end', () => response.end('0123456789'));
  });
  await bed.revision('hello-00001', {}, labels);
  await bed.pods('hello-00001', [{ name: 'pod', port: app.port }]);
  await bed.route('hello.test', 'hello-00001');
  const { public: port } = bed.gateway.ports;
  await ask(port, { host: 'hello.test' });
  await ask(port, { host: 'hello.test', method: 'POST', body: 'x'.repeat(7) });
  await ask(port, { host: 'hello.test', method: 'PURGE' });
  await ask(port, { host: 'hello.test', path: '/bad' });
  const pending = ask(port, { host: 'hello.test', path: '/held' });
  await arrived.promise;

  const found = scraped(metrics);
  const invocations = 'kn_serving_invocation_duration_seconds_count';
  const of = (status: string) => ({ ...ofRevision, http_response_status_code: status });
  assert.equal(found.value(invocations, of('200')), 3);
  assert.equal(found.value(invocations, of('500')), 1);
  const served = 'http_server_request_duration_seconds_count';
  const post = { ...of('200'), http_request_method: 'POST', network_protocol_version: '1.1' };
  assert.equal(found.value(served, post), 1);
  assert.equal(found.value(served, { ...ofRevision, http_request_method: '_OTHER' }), 1);
  assert.equal(found.value('http_server_request_body_size_bytes_sum', post), 7);
  assert.equal(found.value('http_server_response_body_size_bytes_sum', post), 10);
  assert.equal(found.value('kn_serving_queue_depth', ofRevision), 1);
  assert.equal(found.value('kn_revision_request_active', ofRevision), 1);
  assert.equal(found.value('kn_revision_request_queued', ofRevision), 0);
  assert.equal(found.value('kn_revision_request_concurrency', ofRevision), 1);
  assert.equal(found.value('kn_activator_stats_conn_reachable', { peer: 'autoscaler' }), 1);
  held.resolve();
  await pending;
  assert.equal(scraped(metrics).value('kn_serving_queue_depth', ofRevision), 0);
});

test('requests: what waits is told; a revision that is gone takes its series with it', async () => {
  const metrics = new Metrics();
  await using bed = await startGatewayBed({ metrics });
  await bed.revision('hello-00001', {}, labels);
  await bed.route('hello.test', 'hello-00001');
  const waiting = ask(bed.gateway.ports.public, { host: 'hello.test' });
  await bed.heard('demand');
  assert.equal(scraped(metrics).value('kn_revision_request_queued', ofRevision), 1);
  await bed.cluster.client.delete(Revision, { namespace: 'default', name: 'hello-00001' });
  assert.equal((await waiting).status, 503);
  assert.deepEqual(
    scraped(metrics).samples.filter((sample) => 'kn_revision_name' in sample.labels),
    [],
  );
});

test('requests: a program that makes up answers has so many of them, and no more', async () => {
  const metrics = new Metrics();
  await using bed = await startGatewayBed({ metrics });
  let status = 200;
  await using app = await startApp((_request, response) => {
    status += 1;
    response.writeHead(status).end();
  });
  await bed.revision('hello-00001', {}, labels);
  await bed.pods('hello-00001', [{ name: 'pod', port: app.port }]);
  await bed.route('hello.test', 'hello-00001');
  for (let count = 0; count < 120; count += 1) {
    await ask(bed.gateway.ports.public, { host: 'hello.test' });
  }
  const found = scraped(metrics);
  const name = 'http_server_request_duration_seconds_count';
  assert.equal(found.find(name).length, 101);
  assert.equal(found.value(name, { otel_metric_overflow: 'true' }), 20);
});
