import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, pod, startWire, type Wire } from '#test/support/wire.ts';

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const PODS = '/api/v1/namespaces/default/pods';

async function bind(wire: Wire, name: string): Promise<number> {
  const target = { apiVersion: 'v1', kind: 'Node', name: 'node-1' };
  const { status } = await wire.send('POST', `${PODS}/${name}/binding`, {
    metadata: { name },
    target,
  });
  return status;
}

test('delete: gone at once where nobody has to be waited for', async () => {
  await using wire = await startWire();
  const { body } = await wire.send('POST', CONFIG_MAPS, { metadata: { name: 'a' } });
  const deleted = await wire.send('DELETE', `${CONFIG_MAPS}/a`);
  assert.equal(deleted.status, 200);
  assert.equal(at(deleted.body, 'status'), 'Success');
  assert.equal(at(deleted.body, 'details.uid'), at(body, 'metadata.uid'));
  assert.equal((await wire.send('GET', `${CONFIG_MAPS}/a`)).status, 404);
  assert.equal((await wire.send('DELETE', `${CONFIG_MAPS}/a`)).status, 404);
});

test('delete: preconditions and dry runs', async () => {
  await using wire = await startWire();
  const { body } = await wire.send('POST', CONFIG_MAPS, { metadata: { name: 'a' } });
  const wrong = await wire.send('DELETE', `${CONFIG_MAPS}/a`, { preconditions: { uid: 'other' } });
  assert.equal(wrong.status, 409);
  const stale = await wire.send('DELETE', `${CONFIG_MAPS}/a`, {
    preconditions: { resourceVersion: '1' },
  });
  assert.equal(stale.status, 409);
  assert.equal((await wire.send('DELETE', `${CONFIG_MAPS}/a?dryRun=All`)).status, 200);
  assert.equal((await wire.send('DELETE', `${CONFIG_MAPS}/a`, { dryRun: ['All'] })).status, 200);
  const right = { preconditions: { uid: at(body, 'metadata.uid') } };
  assert.equal((await wire.send('DELETE', `${CONFIG_MAPS}/a`, right)).status, 200);
});

test('delete: finalizers hold an object until the last is taken off', async () => {
  await using wire = await startWire();
  const metadata = { name: 'a', finalizers: ['example.com/hold'] };
  await wire.send('POST', CONFIG_MAPS, { metadata });
  const marked = await wire.send('DELETE', `${CONFIG_MAPS}/a`);
  assert.equal(at(marked.body, 'kind'), 'ConfigMap');
  assert.equal(at(marked.body, 'metadata.deletionTimestamp'), '2026-01-01T00:00:00Z');
  const before = wire.store.revision;
  await wire.send('DELETE', `${CONFIG_MAPS}/a`);
  assert.equal(wire.store.revision, before, 'a second delete changes nothing');
  const more = { metadata: { name: 'a', finalizers: ['example.com/hold', 'example.com/late'] } };
  assert.equal((await wire.send('PUT', `${CONFIG_MAPS}/a`, more)).status, 422);
  await wire.send('PUT', `${CONFIG_MAPS}/a`, { metadata: { name: 'a' } });
  assert.equal((await wire.send('GET', `${CONFIG_MAPS}/a`)).status, 404);
});

test('delete: what becomes of dependents is left in the finalizers', async () => {
  await using wire = await startWire();
  const finalizersAfter = async (name: string, options: unknown): Promise<unknown> => {
    await wire.send('POST', CONFIG_MAPS, { metadata: { name } });
    const { body } = await wire.send('DELETE', `${CONFIG_MAPS}/${name}`, options);
    return at(body, 'metadata.finalizers');
  };
  assert.deepEqual(await finalizersAfter('a', { propagationPolicy: 'Foreground' }), [
    'foregroundDeletion',
  ]);
  assert.deepEqual(await finalizersAfter('b', { propagationPolicy: 'Orphan' }), ['orphan']);
  assert.deepEqual(await finalizersAfter('c', { orphanDependents: true }), ['orphan']);
  assert.equal(await finalizersAfter('d', { propagationPolicy: 'Background' }), undefined);
  const wrong = await wire.send('DELETE', `${CONFIG_MAPS}/a`, { propagationPolicy: 'Never' });
  assert.equal(wrong.status, 422);
});

test('delete: a pod on a node has its grace period, and goes when the agent says so', async () => {
  await using wire = await startWire();
  await wire.send('POST', PODS, pod('a'));
  assert.equal(await bind(wire, 'a'), 201);
  assert.equal(await bind(wire, 'a'), 409);
  const bound = await wire.send('GET', `${PODS}/a`);
  assert.equal(at(bound.body, 'spec.nodeName'), 'node-1');
  assert.equal(at(bound.body, 'status.conditions.0.type'), 'PodScheduled');
  const marked = await wire.send('DELETE', `${PODS}/a`);
  assert.equal(at(marked.body, 'metadata.deletionGracePeriodSeconds'), 30);
  assert.equal(at(marked.body, 'metadata.deletionTimestamp'), '2026-01-01T00:00:30Z');
  const sooner = await wire.send('DELETE', `${PODS}/a?gracePeriodSeconds=5`);
  assert.equal(at(sooner.body, 'metadata.deletionGracePeriodSeconds'), 5);
  const later = await wire.send('DELETE', `${PODS}/a?gracePeriodSeconds=60`);
  assert.equal(at(later.body, 'metadata.deletionGracePeriodSeconds'), 5);
  await wire.send('DELETE', `${PODS}/a`, { gracePeriodSeconds: 0 });
  assert.equal((await wire.send('GET', `${PODS}/a`)).status, 404);
});

test('delete: a pod without a node has nobody to wait for', async () => {
  await using wire = await startWire();
  await wire.send('POST', PODS, pod('a'));
  assert.equal((await wire.send('DELETE', `${PODS}/a`)).status, 200);
  assert.equal((await wire.send('GET', `${PODS}/a`)).status, 404);
});

test('delete collection: what is selected, and no more', async () => {
  await using wire = await startWire();
  for (const name of ['a', 'b', 'c']) {
    await wire.send('POST', CONFIG_MAPS, {
      metadata: { name, labels: { keep: String(name === 'b') } },
    });
  }
  const { status, body } = await wire.send('DELETE', `${CONFIG_MAPS}?labelSelector=keep=false`);
  assert.equal(status, 200);
  assert.equal((at(body, 'items') as unknown[]).length, 2);
  const left = await wire.send('GET', CONFIG_MAPS);
  assert.equal(at(left.body, 'items.0.metadata.name'), 'b');
  assert.equal(at(left.body, 'items.1'), undefined);
});

test('namespace: stays until its finalizer is taken off through finalize', async () => {
  await using wire = await startWire();
  const created = await wire.send('POST', '/api/v1/namespaces', { metadata: { name: 'x' } });
  assert.deepEqual(at(created.body, 'spec.finalizers'), ['kubernetes']);
  assert.equal(at(created.body, 'status.phase'), 'Active');
  assert.deepEqual(at(created.body, 'metadata.labels'), { 'kubernetes.io/metadata.name': 'x' });
  const { body } = await wire.send('DELETE', '/api/v1/namespaces/x');
  assert.equal(at(body, 'status.phase'), 'Terminating');
  const finalized = await wire.send('PUT', '/api/v1/namespaces/x/finalize', {
    ...(body as object),
    spec: { finalizers: [] },
  });
  assert.equal(finalized.status, 200);
  assert.equal((await wire.send('GET', '/api/v1/namespaces/x')).status, 404);
});
