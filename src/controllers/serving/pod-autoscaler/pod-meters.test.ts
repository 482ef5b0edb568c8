import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { Metrics } from '#telemetry/metrics.ts';
import { prometheusText } from '#telemetry/prometheus-text.ts';
import { fixture } from '#test/support/fixture.ts';
import { parsePrometheusText, type Scrape } from '#test/support/prometheus-parser.ts';
import { countPods, PodMeters } from './pod-meters.ts';

const autoscaler = fixture<PodAutoscaler>(`
apiVersion: autoscaling.internal.knative.dev/v1alpha1
kind: PodAutoscaler
metadata:
  namespace: default
  name: hello-00001
  labels: { serving.knative.dev/service: hello }
`);

function podWith(facts: string): Pod {
  return fixture<Pod>(`{ apiVersion: v1, kind: Pod, ${facts} }`);
}

const ready = 'conditions: [{ type: Ready, status: "True" }]';
const pods = [
  podWith(`metadata: { name: a }, status: { phase: Running, ${ready} }`),
  podWith('metadata: { name: b }, status: { phase: Running }'),
  podWith('metadata: { name: c }, status: { phase: Pending }'),
  podWith('metadata: { name: d }'),
  podWith(`metadata: { name: e, deletionTimestamp: now }, status: { phase: Running, ${ready} }`),
];

test('pods of a revision: each is counted once', () => {
  assert.deepEqual(countPods(pods), { ready: 1, notReady: 1, pending: 2, terminating: 1 });
});

test('pods of a revision: told until its PodAutoscaler is gone', () => {
  const metrics = new Metrics();
  const meters = new PodMeters(metrics);
  const scraped = (): Scrape =>
    parsePrometheusText(prometheusText(metrics, { name: 'x', version: '0', instance: 'x' }));
  const of = { kn_service_name: 'hello', kn_revision_name: 'hello-00001' };
  meters.record(autoscaler, countPods(pods), -1);
  assert.equal(scraped().value('kn_revision_pods_count', of), 1);
  assert.equal(scraped().value('kn_revision_pods_not_ready_count', of), 1);
  assert.equal(scraped().value('kn_revision_pods_pending_count', of), 2);
  assert.equal(scraped().value('kn_revision_pods_terminating_count', of), 1);
  assert.deepEqual(scraped().find('kn_revision_pods_requested'), [], 'not known yet');
  meters.record(autoscaler, countPods([]), 3);
  meters.record(autoscaler, countPods([]), -1);
  assert.equal(scraped().value('kn_revision_pods_requested', of), 3, 'what was said stands');
  assert.equal(scraped().value('kn_revision_pods_count', of), 0);
  meters.forget({ namespace: 'default', name: 'hello-00001' });
  assert.deepEqual(scraped().find('kn_revision_pods_count'), []);
});
