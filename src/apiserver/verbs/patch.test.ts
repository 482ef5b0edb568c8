import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, startWire, type Wire, type WireReply } from '#test/support/wire.ts';

const CONFIG_MAP = '/api/v1/namespaces/default/configmaps/a';
const DEPLOYMENT = '/apis/apps/v1/namespaces/default/deployments/a';

function patch(
  wire: Wire,
  target: string,
  { type, body }: { type: 'json' | 'merge' | 'strategic-merge' | 'apply'; body: unknown },
): Promise<WireReply> {
  const suffix = type === 'apply' ? 'yaml' : 'json';
  return wire.send('PATCH', target, body, {
    headers: { 'content-type': `application/${type}-patch+${suffix}` },
  });
}

async function wireWithConfigMap(): Promise<Wire> {
  const wire = await startWire();
  await wire.send('POST', '/api/v1/namespaces/default/configmaps', {
    metadata: { name: 'a', labels: { x: '1' } },
    data: { one: '1', two: '2' },
  });
  return wire;
}

async function wireWithDeployment(): Promise<Wire> {
  const wire = await startWire();
  const { status } = await wire.send('POST', '/apis/apps/v1/namespaces/default/deployments', {
    metadata: { name: 'a', finalizers: ['example.com/one', 'example.com/two'] },
    spec: {
      selector: { matchLabels: { app: 'a' } },
      template: {
        metadata: { labels: { app: 'a' } },
        spec: {
          containers: [
            {
              name: 'main',
              image: 'main:v1',
              env: [
                { name: 'A', value: '1' },
                { name: 'B', value: '2' },
              ],
            },
            { name: 'side', image: 'side:v1' },
          ],
          volumes: [{ name: 'data', emptyDir: {} }],
        },
      },
    },
  });
  assert.equal(status, 201);
  return wire;
}

const CONTAINERS = 'spec.template.spec.containers';

test('merge patch: null removes, objects merge, a resourceVersion is a condition', async () => {
  await using wire = await wireWithConfigMap();
  const { status, body } = await patch(wire, CONFIG_MAP, {
    type: 'merge',
    body: { data: { one: null, three: '3' } },
  });
  assert.equal(status, 200);
  assert.deepEqual(at(body, 'data'), { two: '2', three: '3' });
  const stale = { metadata: { resourceVersion: '1' }, data: {} };
  assert.equal((await patch(wire, CONFIG_MAP, { type: 'merge', body: stale })).status, 409);
  const before = wire.store.revision;
  await patch(wire, CONFIG_MAP, { type: 'merge', body: { data: { two: '2' } } });
  assert.equal(wire.store.revision, before);
  assert.equal((await patch(wire, CONFIG_MAP, { type: 'merge', body: [] })).status, 400);
});

test('merge patch: a field called __proto__ is a field like any other', async () => {
  await using wire = await wireWithConfigMap();
  const { body } = await patch(wire, CONFIG_MAP, {
    type: 'merge',
    body: '{"data":{"__proto__":"mine"}}',
  });
  assert.equal(Object.hasOwn(at(body, 'data') as object, '__proto__'), true);
  assert.equal(Object.getPrototypeOf({}), Object.prototype);
});

test('JSON patch: operations in order, and none where one does not fit', async () => {
  await using wire = await wireWithConfigMap();
  const { body } = await patch(wire, CONFIG_MAP, {
    type: 'json',
    body: [
      { op: 'test', path: '/data/one', value: '1' },
      { op: 'replace', path: '/data/one', value: '5' },
      { op: 'remove', path: '/data/two' },
      { op: 'add', path: '/metadata/labels/y', value: '2' },
    ],
  });
  assert.deepEqual(at(body, 'data'), { one: '5' });
  assert.deepEqual(at(body, 'metadata.labels'), { x: '1', y: '2' });
  const unfit = [
    { op: 'replace', path: '/data/one', value: '6' },
    { op: 'test', path: '/data/one', value: '1' },
  ];
  assert.equal((await patch(wire, CONFIG_MAP, { type: 'json', body: unfit })).status, 422);
  const polluting = [{ op: 'add', path: '/__proto__/polluted', value: 'x' }];
  assert.equal((await patch(wire, CONFIG_MAP, { type: 'json', body: polluting })).status, 422);
  assert.equal((await patch(wire, CONFIG_MAP, { type: 'json', body: { op: 'add' } })).status, 400);
  assert.equal(at((await wire.send('GET', CONFIG_MAP)).body, 'data.one'), '5');
});

test('strategic merge patch: lists merge by the key of their schema', async () => {
  await using wire = await wireWithDeployment();
  const { status, body } = await patch(wire, DEPLOYMENT, {
    type: 'strategic-merge',
    body: {
      spec: {
        template: {
          spec: {
            containers: [
              {
                name: 'main',
                env: [
                  { name: 'B', $patch: 'delete' },
                  { name: 'C', value: '3' },
                ],
              },
              { name: 'new', image: 'new:v1' },
              { name: 'side', $patch: 'delete' },
            ],
          },
        },
      },
    },
  });
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(at(body, `${CONTAINERS}.0.image`), 'main:v1');
  assert.deepEqual(at(body, `${CONTAINERS}.0.env`), [
    { name: 'C', value: '3' },
    { name: 'A', value: '1' },
  ]);
  assert.equal(at(body, `${CONTAINERS}.1.name`), 'new');
  assert.equal(at(body, `${CONTAINERS}.2`), undefined);
});

test('strategic merge patch: the order that kubectl asks for', async () => {
  await using wire = await wireWithDeployment();
  const { body } = await patch(wire, DEPLOYMENT, {
    type: 'strategic-merge',
    body: {
      spec: {
        template: {
          spec: {
            '$setElementOrder/containers': [{ name: 'first' }, { name: 'side' }, { name: 'main' }],
            containers: [{ name: 'first', image: 'first:v1' }],
          },
        },
      },
    },
  });
  const names = (at(body, CONTAINERS) as { name: string }[]).map(({ name }) => name);
  assert.deepEqual(names, ['first', 'side', 'main']);
});

test('strategic merge patch: sets of values, retained keys, replaced objects', async () => {
  await using wire = await wireWithDeployment();
  const { body } = await patch(wire, DEPLOYMENT, {
    type: 'strategic-merge',
    body: {
      metadata: {
        '$deleteFromPrimitiveList/finalizers': ['example.com/one'],
        finalizers: ['example.com/three'],
      },
      spec: {
        strategy: { $retainKeys: ['type'], type: 'Recreate' },
        template: {
          spec: {
            volumes: [
              { name: 'data', $retainKeys: ['name', 'hostPath'], hostPath: { path: '/tmp' } },
            ],
            containers: [{ $patch: 'replace' }, { name: 'only', image: 'only:v1' }],
          },
        },
      },
    },
  });
  assert.deepEqual(at(body, 'metadata.finalizers'), ['example.com/three', 'example.com/two']);
  assert.deepEqual(at(body, 'spec.strategy'), { type: 'Recreate' });
  assert.deepEqual(at(body, 'spec.template.spec.volumes'), [
    { name: 'data', hostPath: { path: '/tmp', type: '' } },
  ]);
  assert.equal((at(body, CONTAINERS) as unknown[]).length, 1);
});

test('patch: a kind that does not say how its lists merge takes no strategic patch', async () => {
  await using wire = await startWire();
  const target = '/apis/serving.knative.dev/v1/namespaces/default/services/a';
  const strategic = await patch(wire, target, { type: 'strategic-merge', body: {} });
  assert.equal(strategic.status, 415);
  assert.match(String(at(strategic.body, 'message')), /application\/merge-patch\+json/);
});

test('patch: unknown fields are told of, missing objects are not made', async () => {
  await using wire = await wireWithConfigMap();
  const strict = await patch(wire, `${CONFIG_MAP}?fieldValidation=Strict`, {
    type: 'merge',
    body: { foo: 1 },
  });
  assert.equal(strict.status, 400);
  assert.match(String(at(strict.body, 'message')), /unknown field "foo"/);
  const missing = '/api/v1/namespaces/default/configmaps/none';
  assert.equal((await patch(wire, missing, { type: 'merge', body: {} })).status, 404);
});

test('scale: the replica count alone, read, replaced and patched', async () => {
  await using wire = await wireWithDeployment();
  const { body } = await wire.send('GET', `${DEPLOYMENT}/scale`);
  assert.equal(at(body, 'kind'), 'Scale');
  assert.equal(at(body, 'spec.replicas'), 1);
  assert.equal(at(body, 'status.selector'), 'app=a');
  const patched = await patch(wire, `${DEPLOYMENT}/scale`, {
    type: 'merge',
    body: { spec: { replicas: 4 } },
  });
  assert.equal(at(patched.body, 'spec.replicas'), 4);
  const stale = await wire.send('PUT', `${DEPLOYMENT}/scale`, body);
  assert.equal(stale.status, 409);
  const deployment = await wire.send('GET', DEPLOYMENT);
  assert.equal(at(deployment.body, 'spec.replicas'), 4);
  assert.equal(at(deployment.body, 'metadata.generation'), 2);
});
