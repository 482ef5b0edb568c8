import assert from 'node:assert/strict';
import { test } from 'node:test';
import { coreKinds, servingKinds } from '#api/kinds.ts';
import { fixedKinds } from '#api/served-kinds.ts';
import type { AdmissionStep } from '#apiserver/admission/admit.ts';
import { limitRanger } from '#apiserver/admission/limit-ranger.ts';
import { resourceQuotas } from '#apiserver/admission/resource-quotas.ts';
import { at, pod, startWire, type Wire, type WireReply } from '#test/support/wire.ts';
import { openMemoryStore } from '#store/memory/memory-store.ts';

const BASE = '/api/v1/namespaces/default';

async function start(): Promise<Wire> {
  const store = await openMemoryStore();
  const admission: AdmissionStep[] = [
    limitRanger(store),
    resourceQuotas(store, fixedKinds([...coreKinds, ...servingKinds])),
  ];
  return startWire({ store, admission });
}

async function limit(wire: Wire, limits: object): Promise<void> {
  const { status, body } = await wire.send('POST', `${BASE}/limitranges`, {
    metadata: { name: 'lr' },
    spec: { limits: [limits] },
  });
  assert.equal(status, 201, JSON.stringify(body));
}

async function quota(wire: Wire, hard: object, spec: object = {}): Promise<void> {
  const { status, body } = await wire.send('POST', `${BASE}/resourcequotas`, {
    metadata: { name: 'rq' },
    spec: { hard, ...spec },
  });
  assert.equal(status, 201, JSON.stringify(body));
}

function createPod(wire: Wire, name: string, resources: object = {}): Promise<WireReply> {
  const spec = { containers: [{ name: 'a', image: 'b', resources }] };
  return wire.send('POST', `${BASE}/pods`, pod(name, { spec }));
}

function assertForbidden({ status, body }: WireReply, message: string): void {
  assert.equal(status, 403, JSON.stringify(body));
  assert.equal(at(body, 'message'), message);
}

test('quota: what would be too much is refused in the words clients know', async () => {
  await using wire = await start();
  await quota(wire, { cpu: '50m', pods: 5 });
  assert.equal((await createPod(wire, 'p', { requests: { cpu: '50m' } })).status, 201);
  assertForbidden(
    await createPod(wire, 'q', { requests: { cpu: '50m' } }),
    'pods "q" is forbidden: exceeded quota: rq, requested: cpu=50m, used: cpu=50m, limited: cpu=50m',
  );
  await wire.send('DELETE', `${BASE}/pods/p`);
  assert.equal((await createPod(wire, 'q', { requests: { cpu: '50m' } })).status, 201);
});

test('quota: a pod must say what is limited', async () => {
  await using wire = await start();
  await quota(wire, { 'limits.memory': '1Gi', cpu: 1 });
  assertForbidden(
    await createPod(wire, 'p'),
    'pods "p" is forbidden: failed quota: rq: must specify cpu for: a; limits.memory for: a',
  );
});

test('quota: counts objects, under both their names', async () => {
  await using wire = await start();
  await quota(wire, { configmaps: 1, 'count/secrets': 0, 'services.nodeports': 1 });
  const create = (plural: string, name: string, rest: object = {}): Promise<WireReply> =>
    wire.send('POST', `${BASE}/${plural}`, { metadata: { name }, ...rest });
  assert.equal((await create('configmaps', 'a')).status, 201);
  assertForbidden(
    await create('configmaps', 'b'),
    'configmaps "b" is forbidden: exceeded quota: rq, requested: configmaps=1, used: configmaps=1, limited: configmaps=1',
  );
  assertForbidden(
    await create('secrets', 'a'),
    'secrets "a" is forbidden: exceeded quota: rq, requested: count/secrets=1, used: count/secrets=0, limited: count/secrets=0',
  );
  const ports = [
    { name: 'a', port: 1 },
    { name: 'b', port: 2 },
  ];
  assert.equal((await create('services', 's', { spec: { ports } })).status, 201);
  const nodePort = { spec: { type: 'NodePort' } };
  const headers = { 'content-type': 'application/merge-patch+json' };
  assertForbidden(
    await wire.send('PATCH', `${BASE}/services/s`, nodePort, { headers }),
    'services "s" is forbidden: exceeded quota: rq, requested: services.nodeports=2, used: services.nodeports=0, limited: services.nodeports=1',
  );
});

test('quota: writes at the same moment do not share the last place', async () => {
  await using wire = await start();
  await quota(wire, { pods: 3 });
  const replies = await Promise.all(
    Array.from({ length: 10 }, (_, index) => createPod(wire, `p${index}`)),
  );
  assert.equal(replies.filter(({ status }) => status === 201).length, 3);
});

test('quota: those who only ask take nothing from one another, nor from those who mean it', async () => {
  await using wire = await start();
  await quota(wire, { pods: 1 });
  const ask = (name: string): Promise<WireReply> =>
    wire.send('POST', `${BASE}/pods?dryRun=All`, pod(name));
  const replies = await Promise.all([ask('a'), ask('b'), createPod(wire, 'c')]);
  assert.deepEqual(
    replies.map(({ status }) => status),
    [201, 201, 201],
  );
  assert.equal((await ask('e')).status, 403, 'the place is taken now');
});

test('quota: one with a scope counts only pods in it', async () => {
  await using wire = await start();
  await quota(wire, { pods: 0 }, { scopes: ['BestEffort'] });
  assert.equal((await createPod(wire, 'p', { requests: { cpu: 1 } })).status, 201);
  assert.equal((await createPod(wire, 'q')).status, 403);
});

test('limit range: fills in what a container leaves out, and tells of it', async () => {
  await using wire = await start();
  await limit(wire, { type: 'Container', default: { cpu: 2 }, defaultRequest: { cpu: '100m' } });
  const { body } = await createPod(wire, 'p');
  assert.deepEqual(at(body, 'spec.containers.0.resources'), {
    requests: { cpu: '100m' },
    limits: { cpu: '2' },
  });
  const annotations = at(body, 'metadata.annotations') as Record<string, string>;
  assert.equal(
    annotations['kubernetes.io/limit-ranger'],
    'LimitRanger plugin set: cpu request for container a; cpu limit for container a',
  );
});

test('limit range: refuses what is outside it, in the words clients know', async () => {
  await using wire = await start();
  await limit(wire, { type: 'Pod', min: { cpu: '100m' }, max: { memory: '1Gi' } });
  assertForbidden(
    await createPod(wire, 'p', { requests: { cpu: '50m' }, limits: { memory: '1Gi' } }),
    'pods "p" is forbidden: minimum cpu usage per Pod is 100m, but request is 50m',
  );
  assertForbidden(
    await createPod(wire, 'p'),
    'pods "p" is forbidden: [minimum cpu usage per Pod is 100m.  No request is specified, maximum memory usage per Pod is 1Gi.  No limit is specified]',
  );
});

test('quota: objects of any group are counted', async () => {
  await using wire = await start();
  await quota(wire, { 'count/routes.serving.knative.dev': '1' });
  const create = (name: string): Promise<WireReply> =>
    wire.send('POST', '/apis/serving.knative.dev/v1/namespaces/default/routes', {
      metadata: { name },
      spec: { traffic: [{ configurationName: 'c', percent: 100 }] },
    });
  const { status, body } = await create('a');
  assert.equal(status, 201, JSON.stringify(body));
  assertForbidden(
    await create('b'),
    'routes.serving.knative.dev "b" is forbidden: exceeded quota: rq, requested: count/routes.serving.knative.dev=1, used: count/routes.serving.knative.dev=1, limited: count/routes.serving.knative.dev=1',
  );
});
