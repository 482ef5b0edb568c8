import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePrometheusText, type Scrape } from '#test/support/prometheus-parser.ts';
import { Metrics, SeriesGroup } from './metrics.ts';
import { prometheusText } from './prometheus-text.ts';

const resource = { name: 'gateway', version: '1.2.3', instance: 'node-1' };
const scope = 'knative.dev/serving/pkg/queue';

function scrape(metrics: Metrics): Scrape {
  return parsePrometheusText(prometheusText(metrics, resource));
}

test('names: dots become underscores, units and _total are appended', () => {
  const metrics = new Metrics();
  const described = (name: string, unit: string) => ({ name, unit, description: 'x', scope });
  metrics.counter(described('kn.workqueue.adds', '{item}')).of({}).add(3);
  metrics.gauge(described('kn.workqueue.unfinished_work', 's')).of({}).set(0.5);
  metrics.gauge(described('kn.revision.rps.stable', '{request}/s')).of({}).set(7);
  metrics.upDownCounter(described('kn.workqueue.depth', '{item}')).of({}).set(2);
  metrics.gauge(described('process.memory.usage', 'By')).of({}).set(1e21);
  const found = scrape(metrics);
  assert.deepEqual(
    found.samples.slice(1).map(({ name, value }) => [name, value]),
    [
      ['kn_workqueue_adds_total', 3],
      ['kn_workqueue_unfinished_work_seconds', 0.5],
      ['kn_revision_rps_stable_per_second', 7],
      ['kn_workqueue_depth', 2],
      ['process_memory_usage_bytes', 1e21],
    ],
  );
  assert.equal(found.types.get('kn_workqueue_adds_total'), 'counter');
  assert.equal(found.types.get('kn_workqueue_depth'), 'gauge');
  assert.deepEqual(found.samples[0], {
    name: 'target_info',
    labels: { service_name: 'gateway', service_version: '1.2.3', service_instance_id: 'node-1' },
    value: 1,
  });
});

test('histograms: buckets are cumulative, and a bound belongs to its bucket', () => {
  const metrics = new Metrics();
  const took = metrics
    .histogram({ name: 'took', unit: 's', description: 'x', scope, bounds: [0.1, 1] })
    .of({ 'http.response.status_code': 200 });
  for (const seconds of [0.05, 0.1, 0.5, 9]) took.record(seconds);
  const found = scrape(metrics);
  const labels = { http_response_status_code: '200', otel_scope_name: scope };
  assert.deepEqual(
    found.find('took_seconds_bucket', labels).map((bucket) => [bucket.labels['le'], bucket.value]),
    [
      ['0.1', 2],
      ['1', 3],
      ['+Inf', 4],
    ],
  );
  assert.equal(found.value('took_seconds_sum'), 9.65);
  assert.equal(found.value('took_seconds_count'), 4);
});

test('labels: whatever a name holds comes back as it was', () => {
  const metrics = new Metrics();
  const odd = 'a"b\\c\nd';
  metrics.gauge({ name: 'x', unit: '', description: odd, scope }).of({ 'kn.odd': odd }).set(1);
  assert.equal(scrape(metrics).value('x', { kn_odd: odd }), 1);
});

test('what is not known is not told', () => {
  const metrics = new Metrics();
  const family = metrics.gauge({ name: 'x', unit: '', description: 'x', scope });
  family.of({ which: 'one' }).observe = () => Number.NaN;
  assert.deepEqual(scrape(metrics).find('x'), []);
});

test('the series of what is gone are gone', () => {
  const metrics = new Metrics();
  const family = metrics.counter({ name: 'x', unit: '', description: 'x', scope });
  const of = (revision: string): SeriesGroup => new SeriesGroup({ revision });
  const one = of('one');
  one.of(family).add();
  one.of(family, { code: 500 }).add();
  of('two').of(family).add();
  one[Symbol.dispose]();
  assert.deepEqual(
    scrape(metrics)
      .find('x_total')
      .map(({ labels }) => labels['revision']),
    ['two'],
  );
});

test('an instrument is one, whoever asks for it', () => {
  const metrics = new Metrics();
  const instrument = { name: 'x', unit: '', description: 'x', scope };
  metrics.counter(instrument).of({ a: 1 }).add();
  metrics.counter(instrument).of({ a: 1 }).add();
  assert.equal(scrape(metrics).value('x_total'), 2);
  assert.throws(() => metrics.gauge(instrument), /x is a counter already/);
});

test('what is many is asked for when it is told', () => {
  const metrics = new Metrics();
  const family = metrics.gauge({ name: 'x', unit: '', description: 'x', scope });
  const values = new Map([['one', 1]]);
  family.observeAll(() =>
    Array.from(values, ([which, value]) => ({ attributes: { which }, value })),
  );
  assert.equal(scrape(metrics).value('x', { which: 'one' }), 1);
  values.set('two', 2);
  values.delete('one');
  assert.deepEqual(scrape(metrics).find('x', { which: 'one' }), []);
  assert.equal(scrape(metrics).value('x', { which: 'two' }), 2);
});
