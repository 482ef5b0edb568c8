import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { Metrics } from '#telemetry/metrics.ts';
import { prometheusText } from '#telemetry/prometheus-text.ts';
import { parsePrometheusText, type Scrape } from '#test/support/prometheus-parser.ts';
import { startWire } from '#test/support/wire.ts';
import { RequestMeter } from './request-meter.ts';

test('the API counts and times what is asked of it', async () => {
  const metrics = new Metrics();
  const meter = new RequestMeter(metrics, new FakeClock());
  await using wire = await startWire({ meter });
  const configMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' } };
  const path = '/api/v1/namespaces/default/configmaps';
  await wire.send('POST', path, configMap);
  await wire.send('POST', path, configMap);
  await wire.send('GET', path);
  await wire.send('GET', `${path}/x`);
  await wire.send('GET', '/nowhere');
  await wire.send('BREW', `${path}/x`);
  const scrape: Scrape = parsePrometheusText(
    prometheusText(metrics, { name: 'control', version: '0', instance: 'x' }),
  );
  const of = { group: '', version: 'v1', resource: 'configmaps' };
  const total = (labels: Record<string, string>): number =>
    scrape.value('apiserver_request_total', labels);
  assert.equal(total({ ...of, verb: 'CREATE', code: '201' }), 1);
  assert.equal(total({ ...of, verb: 'CREATE', code: '409' }), 1);
  assert.equal(total({ ...of, verb: 'LIST', code: '200' }), 1);
  assert.equal(total({ ...of, verb: 'GET', code: '200' }), 1);
  assert.equal(total({ resource: '', verb: 'GET', code: '404' }), 1);
  assert.equal(total({ ...of, verb: 'OTHER', code: '405' }), 1);
  const took = 'apiserver_request_duration_seconds_count';
  assert.equal(scrape.value(took, { ...of, verb: 'CREATE' }), 2);
});
