import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, startWire, type Wire, type WireReply } from '#test/support/wire.ts';

const CONFIG_MAP = '/api/v1/namespaces/default/configmaps/a';
const DEPLOYMENT = '/apis/apps/v1/namespaces/default/deployments/d';
const apply = { headers: { 'content-type': 'application/apply-patch+yaml' } };
const merge = { headers: { 'content-type': 'application/merge-patch+json' } };

function configMap(data: object, metadata: object = {}): object {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a', ...metadata }, data };
}

function applyAs(
  wire: Wire,
  query: string,
  object: unknown = configMap({ x: '1' }),
): Promise<WireReply> {
  return wire.send('PATCH', `${CONFIG_MAP}?fieldManager=${query}`, object, apply);
}

/** `Apply a: .data.x`, for each entry. */
async function ownersOf(wire: Wire, target: string): Promise<readonly string[]> {
  const { body } = await wire.send('GET', target);
  const entries = (at(body, 'metadata.managedFields') ?? []) as Record<string, unknown>[];
  return entries.map(({ operation, manager, subresource, fieldsV1 }) => {
    const within = subresource === undefined ? '' : `/${String(subresource as string)}`;
    return `${operation as string} ${manager as string}${within}: ${JSON.stringify(fieldsV1)}`;
  });
}

test('apply: creates, changes, and does nothing the second time', async () => {
  await using wire = await startWire();
  const created = await applyAs(wire, 'a');
  assert.equal(created.status, 201);
  assert.deepEqual(at(created.body, 'data'), { x: '1' });
  const again = await applyAs(wire, 'a');
  assert.equal(again.status, 200);
  assert.deepEqual(again.body, created.body);
  wire.clock.advance(60_000);
  const later = await applyAs(wire, 'a');
  assert.deepEqual(later.body, created.body, 'time alone is no reason to write');
  const changed = await applyAs(wire, 'a', configMap({ y: '2' }));
  assert.deepEqual(at(changed.body, 'data'), { y: '2' });
  assert.deepEqual(await ownersOf(wire, CONFIG_MAP), ['Apply a: {"f:data":{"f:y":{}}}']);
});

test('apply: YAML is what it takes, JSON too', async () => {
  await using wire = await startWire();
  const yaml = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata: {x: "1"}\n';
  assert.equal((await applyAs(wire, 'a', yaml)).status, 201);
});

test('apply: a dry run says what would be, and leaves it', async () => {
  await using wire = await startWire();
  const tried = await applyAs(wire, 'a&dryRun=All');
  assert.deepEqual(at(tried.body, 'data'), { x: '1' });
  assert.equal((await wire.send('GET', CONFIG_MAP)).status, 404);
  await applyAs(wire, 'a');
  const other = await applyAs(wire, 'b&dryRun=All', configMap({ y: '2' }));
  assert.deepEqual(at(other.body, 'data'), { x: '1', y: '2' });
  assert.deepEqual(at((await wire.send('GET', CONFIG_MAP)).body, 'data'), { x: '1' });
});

test('apply: others are not overwritten but by force', async () => {
  await using wire = await startWire();
  await applyAs(wire, 'a');
  const refused = await applyAs(wire, 'b', configMap({ x: '2' }));
  assert.equal(refused.status, 409);
  assert.equal(
    at(refused.body, 'message'),
    'Apply failed with 1 conflict: conflict with "a": .data.x',
  );
  assert.deepEqual(at(refused.body, 'details.causes'), [
    { reason: 'FieldManagerConflict', message: 'conflict with "a"', field: '.data.x' },
  ]);
  const forced = await applyAs(wire, 'b&force=true', configMap({ x: '2' }));
  assert.deepEqual(at(forced.body, 'data'), { x: '2' });
  assert.deepEqual(await ownersOf(wire, CONFIG_MAP), ['Apply b: {"f:data":{"f:x":{}}}']);
});

test('apply: ordinary writes have owners too, by their manager or their program', async () => {
  await using wire = await startWire();
  const object = { metadata: { name: 'a' }, data: { x: '1', y: '1' } };
  const collection = '/api/v1/namespaces/default/configmaps';
  await wire.send('POST', `${collection}?fieldManager=maker`, object);
  const program = { headers: { ...merge.headers, 'user-agent': 'tool/v1 (linux)' } };
  await wire.send('PATCH', CONFIG_MAP, { data: { x: '2', y: null } }, program);
  assert.deepEqual(await ownersOf(wire, CONFIG_MAP), [
    'Update maker: {"f:data":{}}',
    'Update tool: {"f:data":{"f:x":{}}}',
  ]);
  const refused = await applyAs(wire, 'a');
  assert.equal(
    at(refused.body, 'message'),
    'Apply failed with 1 conflict: conflict with "tool" using v1: .data.x',
  );
});

test('apply: who owns what can be written, forgotten, and not be lost by who knows nothing of it', async () => {
  await using wire = await startWire();
  await applyAs(wire, 'a');
  const before = await ownersOf(wire, CONFIG_MAP);
  const plain = { metadata: { name: 'a' }, data: { x: '1' } };
  await wire.send('PUT', CONFIG_MAP, plain);
  assert.deepEqual(await ownersOf(wire, CONFIG_MAP), before);
  await wire.send('PATCH', CONFIG_MAP, { metadata: { managedFields: [{ manager: 'x' }] } }, merge);
  assert.deepEqual(await ownersOf(wire, CONFIG_MAP), before, 'broken entries count as none');
  await wire.send('PATCH', CONFIG_MAP, { metadata: { managedFields: [{}] } }, merge);
  assert.deepEqual(await ownersOf(wire, CONFIG_MAP), []);
  await wire.send('PATCH', CONFIG_MAP, { data: { x: '2' } }, merge);
  assert.deepEqual(await ownersOf(wire, CONFIG_MAP), [], 'and nobody keeps book from then on');
});

test('apply: paths of their own have owners of their own', async () => {
  await using wire = await startWire();
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd' },
    spec: {
      replicas: 1,
      selector: { matchLabels: { app: 'd' } },
      template: {
        metadata: { labels: { app: 'd' } },
        spec: { containers: [{ name: 'm', image: 'x' }] },
      },
    },
    status: { replicas: 7 },
  };
  const { status: _, ...wanted } = deployment;
  await wire.send('PATCH', `${DEPLOYMENT}?fieldManager=a`, deployment, apply);
  const scale = { spec: { replicas: 3 } };
  await wire.send('PATCH', `${DEPLOYMENT}/scale?fieldManager=scaler`, scale, merge);
  await wire.send('PATCH', `${DEPLOYMENT}/status?fieldManager=b`, deployment, apply);
  assert.deepEqual(
    (await ownersOf(wire, DEPLOYMENT)).filter((line) => !line.startsWith('Apply a:')),
    [
      'Apply b/status: {"f:status":{"f:replicas":{}}}',
      'Update scaler/scale: {"f:spec":{"f:replicas":{}}}',
    ],
  );
  const refused = await wire.send('PATCH', `${DEPLOYMENT}?fieldManager=a`, wanted, apply);
  assert.equal(
    at(refused.body, 'message'),
    'Apply failed with 1 conflict: conflict with "scaler" with subresource "scale" using apps/v1: .spec.replicas',
  );
});

test('apply: kubectl takes over what its client-side apply has set, and nobody has changed', async () => {
  await using wire = await startWire();
  const annotation = 'kubectl.kubernetes.io/last-applied-configuration';
  const last = JSON.stringify(configMap({ x: '1', y: '1' }));
  const collection = '/api/v1/namespaces/default/configmaps?fieldManager=kubectl-client-side-apply';
  const annotations = { [annotation]: last };
  await wire.send('POST', collection, configMap({ x: '1', y: '1' }, { annotations }));
  const other = `${CONFIG_MAP}?fieldManager=other`;
  await wire.send('PATCH', other, { data: { y: '2' } }, merge);
  const wanted = configMap({ x: '3', y: '3' });
  const refused = await applyAs(wire, 'kubectl', wanted);
  assert.equal(
    at(refused.body, 'message'),
    'Apply failed with 1 conflict: conflict with "other" using v1: .data.y',
  );
  const applied = await applyAs(wire, 'kubectl', configMap({ x: '3' }));
  assert.equal(applied.status, 200);
  const { [annotation]: kept } = at(applied.body, 'metadata.annotations') as Record<string, string>;
  assert.deepEqual(at(JSON.parse(kept ?? '{}'), 'data'), { x: '3' });
});

test('apply: what it cannot take, in Kubernetes’ words', async () => {
  await using wire = await startWire();
  const cases: readonly [query: string, object: unknown, status: number, message: RegExp][] = [
    ['', configMap({}), 422, /fieldManager: Required value: is required for apply patch/],
    ['a', configMap({}, { name: 'b' }), 400, /the name of the object \("b"\) does not match/],
    ['a', configMap({}, { managedFields: [] }), 400, /metadata.managedFields must be nil/],
    [
      'a',
      { kind: 'ConfigMap', apiVersion: 'v2' },
      400,
      /^invalid object type: \/v2, Kind=ConfigMap$/,
    ],
    ['a', [], 400, /the body is no object/],
    [
      'a',
      { ...configMap({}), other: 1 },
      400,
      /^failed to create typed patch object \(default\/a; \/v1, Kind=ConfigMap\): .other: field not declared in schema$/,
    ],
    ['a', configMap({}, { resourceVersion: '1' }), 404, /not found/],
  ];
  for (const [query, object, status, message] of cases) {
    const reply = await applyAs(wire, query, object);
    assert.equal(reply.status, status, JSON.stringify(reply.body));
    assert.match(String(at(reply.body, 'message')), message);
  }
  const forced = await wire.send('PATCH', `${CONFIG_MAP}?force=true`, {}, merge);
  assert.equal(forced.status, 422);
});

test('apply: whoever may only change objects makes none by it', async () => {
  await using wire = await startWire({
    authorizer: async ({ verb, resource }) => ({
      allowed: verb !== 'create' || resource?.plural !== 'configmaps',
      reason: '',
    }),
  });
  assert.equal((await applyAs(wire, 'a')).status, 403);
});

test('apply: all at once, and nobody’s fields are lost', async () => {
  await using wire = await startWire();
  const names = ['a', 'b', 'c', 'd'];
  const replies = await Promise.all(
    names.map((name) => applyAs(wire, name, configMap({ [name]: '1' }))),
  );
  assert.deepEqual(
    replies.map(({ status }) => status < 300),
    [true, true, true, true],
  );
  const { body } = await wire.send('GET', CONFIG_MAP);
  assert.deepEqual(Object.keys(at(body, 'data') as object).toSorted(), names);
});
