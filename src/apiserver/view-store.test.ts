import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, nextOf, startWire } from '#test/support/wire.ts';

const CORE = '/api/v1/namespaces/default/events';
const EVENTS = '/apis/events.k8s.io/v1/namespaces/default/events';
const MERGE = { headers: { 'content-type': 'application/merge-patch+json' } };

const event = {
  metadata: { name: 'e' },
  eventTime: '2026-01-01T00:00:00.000000Z',
  reportingController: 'example.com/app',
  reportingInstance: 'app-1',
  action: 'Doing',
  reason: 'Because',
  type: 'Normal',
  note: 'hello',
  regarding: { kind: 'Pod', namespace: 'default', name: 'p' },
};

test('views: an Event is the same object in both groups', async () => {
  await using wire = await startWire();
  const made = await wire.send('POST', EVENTS, event);
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.equal(at(made.body, 'apiVersion'), 'events.k8s.io/v1');
  const { body: core } = await wire.send('GET', `${CORE}/e`);
  assert.equal(at(core, 'apiVersion'), 'v1');
  assert.equal(at(core, 'message'), 'hello');
  assert.equal(at(core, 'involvedObject.name'), 'p');
  assert.equal(at(core, 'reportingComponent'), 'example.com/app');
  assert.equal(at(core, 'metadata.uid'), at(made.body, 'metadata.uid'));
  const series = { series: { count: 2, lastObservedTime: '2026-01-01T00:01:00.000000Z' } };
  const patched = await wire.send('PATCH', `${EVENTS}/e`, series, MERGE);
  assert.equal(patched.status, 200, JSON.stringify(patched.body));
  const { body: counted } = await wire.send('GET', `${CORE}/e`);
  assert.equal(at(counted, 'series.count'), 2);
  const again = await wire.send('POST', CORE, {
    metadata: { name: 'e' },
    involvedObject: { kind: 'Pod', namespace: 'default', name: 'p' },
  });
  assert.equal(again.status, 409);
  await wire.send('DELETE', `${CORE}/e`);
  assert.equal((await wire.send('GET', `${EVENTS}/e`)).status, 404);
});

test('views: lists, watches and selectors speak the words of their own group', async () => {
  await using wire = await startWire();
  const watch = wire.watch(`${EVENTS}?watch=1&resourceVersion=1`);
  await wire.send('POST', CORE, {
    metadata: { name: 'old' },
    involvedObject: { kind: 'Pod', namespace: 'default', name: 'p' },
    message: 'of old',
    count: 3,
    type: 'Normal',
    reason: 'Because',
  });
  const told = await nextOf(watch);
  assert.equal(told.type, 'ADDED');
  assert.equal(at(told.object, 'note'), 'of old');
  assert.equal(at(told.object, 'deprecatedCount'), 3);
  await watch.return();
  const { body } = await wire.send('GET', `${EVENTS}?fieldSelector=regarding.name%3Dp`);
  assert.equal(at(body, 'apiVersion'), 'events.k8s.io/v1');
  assert.equal(at(body, 'items.0.regarding.name'), 'p');
  const { body: none } = await wire.send('GET', `${EVENTS}?fieldSelector=regarding.name%3Dq`);
  assert.deepEqual(at(none, 'items'), []);
});

test('views: a new Event must say what Kubernetes asks for', async () => {
  await using wire = await startWire();
  const { body, status } = await wire.send('POST', EVENTS, { metadata: { name: 'e' } });
  assert.equal(status, 422);
  assert.match(
    String(at(body, 'message')),
    /^Event.events.k8s.io "e" is invalid: .*eventTime: Required value/,
  );
});

test('views: an autoscaler of v1 that is written back loses nothing of v2', async () => {
  await using wire = await startWire();
  const path = (version: string): string =>
    `/apis/autoscaling/${version}/namespaces/default/horizontalpodautoscalers`;
  const target = { type: 'AverageValue', averageValue: '1Gi' };
  const made = await wire.send('POST', path('v2'), {
    metadata: { name: 'web' },
    spec: {
      maxReplicas: 3,
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
      metrics: [
        {
          type: 'Resource',
          resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } },
        },
        { type: 'Resource', resource: { name: 'memory', target } },
      ],
      behavior: { scaleDown: { stabilizationWindowSeconds: 5 } },
    },
  });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const { body: v1 } = await wire.send('GET', `${path('v1')}/web`);
  assert.equal(at(v1, 'spec.targetCPUUtilizationPercentage'), 50);
  const changed = structuredClone(v1) as { spec: { maxReplicas: number } };
  changed.spec.maxReplicas = 7;
  const put = await wire.send('PUT', `${path('v1')}/web`, changed);
  assert.equal(put.status, 200, JSON.stringify(put.body));
  const { body: v2 } = await wire.send('GET', `${path('v2')}/web`);
  const { maxReplicas: _, ...before } = at(made.body, 'spec') as { maxReplicas: number };
  assert.deepEqual(at(v2, 'spec'), { ...before, maxReplicas: 7 });
  assert.equal(at(v2, 'metadata.annotations'), undefined);
});
