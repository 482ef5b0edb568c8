import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, nextOf, pod, startWire, type WireReply } from '#test/support/wire.ts';

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';
const PODS = '/api/v1/namespaces/default/pods';
const DEPLOYMENTS = '/apis/apps/v1/namespaces/default/deployments';

const deployment = (name: string, replicas = 1): object => ({
  metadata: { name },
  spec: {
    replicas,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: { containers: [{ name: 'main', image: 'sample:v1' }] },
    },
  },
});

function assertStatus(reply: WireReply, code: number, reason: string, message?: string): void {
  assert.equal(reply.status, code, JSON.stringify(reply.body));
  assert.equal(at(reply.body, 'kind'), 'Status');
  assert.equal(at(reply.body, 'reason'), reason);
  assert.equal(at(reply.body, 'code'), code);
  if (message !== undefined) assert.equal(at(reply.body, 'message'), message);
}

test('create: the server adds what only it knows', async () => {
  await using wire = await startWire();
  const { status, body } = await wire.send('POST', CONFIG_MAPS, {
    metadata: { name: 'a', uid: 'mine', generation: 9 },
    data: { x: 'y' },
  });
  assert.equal(status, 201);
  assert.equal(at(body, 'metadata.namespace'), 'default');
  assert.equal(at(body, 'metadata.creationTimestamp'), '2026-01-01T00:00:00Z');
  assert.equal(at(body, 'metadata.resourceVersion'), String(wire.store.revision));
  assert.notEqual(at(body, 'metadata.uid'), 'mine');
  assert.equal(at(body, 'metadata.generation'), undefined);
  const read = await wire.send('GET', `${CONFIG_MAPS}/a`);
  assert.deepEqual(read.body, body);
});

test('create: a name made up from generateName, or handed out by the platform', async () => {
  await using wire = await startWire({
    generateName: (_kind, object) =>
      object.metadata.generateName === 'reserved-' ? { name: 'reserved-1', uid: 'u-1' } : undefined,
  });
  const made = await wire.send('POST', CONFIG_MAPS, { metadata: { generateName: 'a-' } });
  assert.match(String(at(made.body, 'metadata.name')), /^a-[a-z0-9]{5}$/);
  const given = await wire.send('POST', CONFIG_MAPS, { metadata: { generateName: 'reserved-' } });
  assert.equal(at(given.body, 'metadata.name'), 'reserved-1');
  assert.equal(at(given.body, 'metadata.uid'), 'u-1');
});

test('create: a name that was handed out is given back where nothing is made by it', async () => {
  const released: string[] = [];
  const names = ['asked', 'refused', 'taken', 'made'];
  await using wire = await startWire({
    generateName: (_kind, { metadata }) => {
      const name = metadata.generateName === 'given-' ? names.shift() : undefined;
      return name === undefined
        ? undefined
        : { name, uid: `uid-${name}`, release: () => void released.push(name) };
    },
  });
  await wire.send('POST', CONFIG_MAPS, { metadata: { name: 'taken' } });
  const metadata = { generateName: 'given-' };
  await wire.send('POST', `${CONFIG_MAPS}?dryRun=All`, { metadata });
  const refused = { metadata: { ...metadata, labels: { a: '-' } } };
  assert.equal((await wire.send('POST', CONFIG_MAPS, refused)).status, 422);
  const otherwise = await wire.send('POST', CONFIG_MAPS, { metadata });
  assert.match(String(at(otherwise.body, 'metadata.name')), /^given-[a-z0-9]{5}$/);
  assert.notEqual(at(otherwise.body, 'metadata.uid'), 'uid-taken');
  const made = await wire.send('POST', CONFIG_MAPS, { metadata });
  assert.equal(at(made.body, 'metadata.uid'), 'uid-made');
  assert.deepEqual(released, ['asked', 'refused', 'taken']);
});

test('create: refusals name what was wrong', async () => {
  await using wire = await startWire();
  const object = { metadata: { name: 'a' } };
  await wire.send('POST', CONFIG_MAPS, object);
  assertStatus(
    await wire.send('POST', CONFIG_MAPS, object),
    409,
    'AlreadyExists',
    'configmaps "a" already exists',
  );
  const elsewhere = '/api/v1/namespaces/nowhere/configmaps';
  assertStatus(
    await wire.send('POST', elsewhere, object),
    404,
    'NotFound',
    'namespaces "nowhere" not found',
  );
  assertStatus(await wire.send('POST', CONFIG_MAPS, { metadata: {} }), 422, 'Invalid');
  assertStatus(await wire.send('POST', CONFIG_MAPS, { metadata: { name: 'A_b' } }), 422, 'Invalid');
  assertStatus(await wire.send('POST', CONFIG_MAPS, { ...object, kind: 'Pod' }), 400, 'BadRequest');
  assertStatus(await wire.send('POST', CONFIG_MAPS, '{"metadata":'), 400, 'BadRequest');
  assertStatus(await wire.send('POST', CONFIG_MAPS, '[]'), 400, 'BadRequest');
  assertStatus(await wire.send('POST', CONFIG_MAPS), 400, 'BadRequest');
  assertStatus(await wire.send('GET', '/apis/none/v1/things'), 404, 'NotFound');
  assertStatus(await wire.send('POST', `${CONFIG_MAPS}/a`, object), 405, 'MethodNotAllowed');
  const cbor = { 'content-type': 'application/cbor' };
  assertStatus(
    await wire.send('POST', CONFIG_MAPS, object, { headers: cbor }),
    415,
    'UnsupportedMediaType',
  );
});

test('create: a dry run passes every check and stores nothing', async () => {
  await using wire = await startWire();
  const before = wire.store.revision;
  const { status, body } = await wire.send('POST', `${PODS}?dryRun=All`, pod('a'));
  assert.equal(status, 201);
  assert.equal(at(body, 'spec.restartPolicy'), 'Always');
  assert.equal(wire.store.revision, before);
  assertStatus(
    await wire.send('POST', `${PODS}?dryRun=All`, pod('a', { spec: {} })),
    422,
    'Invalid',
  );
  assertStatus(await wire.send('POST', `${PODS}?dryRun=Some`, pod('a')), 422, 'Invalid');
});

test('create: not into a namespace that is being deleted', async () => {
  await using wire = await startWire();
  await wire.send('POST', '/api/v1/namespaces', { metadata: { name: 'going' } });
  await wire.send('DELETE', '/api/v1/namespaces/going');
  const target = '/api/v1/namespaces/going/configmaps';
  const reply = await wire.send('POST', target, { metadata: { name: 'a' } });
  assertStatus(reply, 403, 'Forbidden');
  assert.equal(at(reply.body, 'details.causes.0.reason'), 'NamespaceTerminating');
});

test('delete: a cluster keeps the namespaces that it cannot be without', async () => {
  await using wire = await startWire();
  const reply = await wire.send('DELETE', '/api/v1/namespaces/default');
  assertStatus(reply, 403, 'Forbidden');
  assert.match(String(at(reply.body, 'message')), /"default" is forbidden: .* may not be deleted$/);
});

test('eviction: a pod goes as by a delete, by whichever name it is asked', async () => {
  await using wire = await startWire();
  const spec = { containers: [{ name: 'c', image: 'c' }] };
  await wire.send('POST', PODS, { metadata: { name: 'guest' }, spec });
  const evict = (metadata: object, more = {}): Promise<WireReply> =>
    wire.send('POST', `${PODS}/guest/eviction`, { kind: 'Eviction', metadata, ...more });
  assertStatus(await evict({ name: 'other' }), 400, 'BadRequest');
  const preconditions = { uid: 'of another' };
  assertStatus(await evict({}, { deleteOptions: { preconditions } }), 409, 'Conflict');
  const seen = wire.watch(`${PODS}?watch=1&resourceVersion=${String(wire.store.revision)}`);
  assert.equal((await evict({ name: 'guest' })).status, 201);
  const { object } = await nextOf(seen);
  assert.equal(at(object, 'status.conditions.0.reason'), 'EvictionByEvictionAPI');
  await seen.return();
  assertStatus(await wire.send('GET', `${PODS}/guest`), 404, 'NotFound');
  assertStatus(await evict({ name: 'guest' }), 404, 'NotFound');
});

test('create: YAML is read as JSON is', async () => {
  await using wire = await startWire();
  const headers = { 'content-type': 'application/yaml' };
  const text = 'metadata:\n  name: a\ndata:\n  x: "1"\n';
  assert.equal((await wire.send('POST', CONFIG_MAPS, text, { headers })).status, 201);
  assertStatus(await wire.send('POST', CONFIG_MAPS, 'a: [', { headers }), 400, 'BadRequest');
  const bomb = `a: &a [x,x,x,x,x,x,x,x,x,x]\n${'bcdefghij'
    .split('')
    .map(
      (name, index) => `${name}: &${name} [${Array(10).fill(`*${'abcdefghij'[index]}`).join(',')}]`,
    )
    .join('\n')}`;
  assertStatus(await wire.send('POST', CONFIG_MAPS, bomb, { headers }), 400, 'BadRequest');
});

test('update: a stale resourceVersion is a conflict, in the words clients look for', async () => {
  await using wire = await startWire();
  const { body } = await wire.send('POST', CONFIG_MAPS, { metadata: { name: 'a' } });
  const version = at(body, 'metadata.resourceVersion');
  const changed = (value: string): object => ({
    metadata: { name: 'a', resourceVersion: version },
    data: { value },
  });
  assert.equal((await wire.send('PUT', `${CONFIG_MAPS}/a`, changed('1'))).status, 200);
  assertStatus(
    await wire.send('PUT', `${CONFIG_MAPS}/a`, changed('2')),
    409,
    'Conflict',
    'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
  );
  const unconditional = { metadata: { name: 'a' }, data: { value: '3' } };
  assert.equal((await wire.send('PUT', `${CONFIG_MAPS}/a`, unconditional)).status, 200);
});

test('update: what changes nothing is not written', async () => {
  await using wire = await startWire();
  const { body } = await wire.send('POST', DEPLOYMENTS, deployment('a'));
  const before = wire.store.revision;
  const again = await wire.send('PUT', `${DEPLOYMENTS}/a`, deployment('a'));
  assert.deepEqual(again.body, body);
  assert.equal((await wire.send('PUT', `${DEPLOYMENTS}/a`, body)).status, 200);
  assert.equal(wire.store.revision, before);
});

test('update: generation counts changes of the spec, and the status is another path', async () => {
  await using wire = await startWire();
  await wire.send('POST', DEPLOYMENTS, { ...deployment('a'), status: { replicas: 5 } });
  const created = await wire.send('GET', `${DEPLOYMENTS}/a`);
  assert.equal(at(created.body, 'metadata.generation'), 1);
  assert.equal(at(created.body, 'status.replicas'), undefined);
  const scaled = await wire.send('PUT', `${DEPLOYMENTS}/a`, {
    ...deployment('a', 3),
    status: { replicas: 5 },
  });
  assert.equal(at(scaled.body, 'metadata.generation'), 2);
  assert.equal(at(scaled.body, 'status.replicas'), undefined);
  const labelled = await wire.send('PUT', `${DEPLOYMENTS}/a`, {
    ...deployment('a', 3),
    metadata: { name: 'a', labels: { x: 'y' } },
  });
  assert.equal(at(labelled.body, 'metadata.generation'), 2);
  const told = await wire.send('PUT', `${DEPLOYMENTS}/a/status`, {
    ...deployment('a', 9),
    status: { replicas: 3 },
  });
  assert.equal(at(told.body, 'metadata.generation'), 2);
  assert.equal(at(told.body, 'spec.replicas'), 3);
  assert.equal(at(told.body, 'status.replicas'), 3);
});

test('update: what the server wrote stays, and another uid is another object', async () => {
  await using wire = await startWire();
  const { body } = await wire.send('POST', CONFIG_MAPS, { metadata: { name: 'a' } });
  const changed = await wire.send('PUT', `${CONFIG_MAPS}/a`, {
    metadata: {
      name: 'a',
      creationTimestamp: '2001-01-01T00:00:00Z',
      deletionTimestamp: '2001-01-01T00:00:00Z',
    },
    data: { x: 'y' },
  });
  assert.equal(
    at(changed.body, 'metadata.creationTimestamp'),
    at(body, 'metadata.creationTimestamp'),
  );
  assert.equal(at(changed.body, 'metadata.deletionTimestamp'), undefined);
  assertStatus(
    await wire.send('PUT', `${CONFIG_MAPS}/a`, { metadata: { name: 'a', uid: 'other' } }),
    409,
    'Conflict',
  );
  assertStatus(
    await wire.send('PUT', `${CONFIG_MAPS}/a`, { metadata: { name: 'b' } }),
    400,
    'BadRequest',
  );
  assertStatus(
    await wire.send('PUT', `${CONFIG_MAPS}/none`, { metadata: { name: 'none' } }),
    404,
    'NotFound',
  );
});

test('fields: unknown and doubled ones are refused, told of, or dropped in silence', async () => {
  await using wire = await startWire();
  const text =
    '{"metadata":{"name":"a"},"data":{"x":"1","x":"2"},"spec":{},"metadata":{"name":"a","mine":1}}';
  const strict = await wire.send('POST', `${CONFIG_MAPS}?fieldValidation=Strict`, text);
  assertStatus(
    strict,
    400,
    'BadRequest',
    'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "metadata.mine", unknown field "spec", duplicate field "data.x", duplicate field "metadata"',
  );
  const warned = await wire.send('POST', `${CONFIG_MAPS}?dryRun=All`, text);
  assert.equal(warned.status, 201);
  assert.match(warned.headers['warning'] ?? '', /299 - "unknown field \\"spec\\""/);
  const silent = await wire.send('POST', `${CONFIG_MAPS}?fieldValidation=Ignore`, text);
  assert.equal(silent.headers['warning'], undefined);
  assert.equal(at(silent.body, 'spec'), undefined);
  assert.equal(at(silent.body, 'data.x'), '2');
});

test('fields: values of the wrong type are named by their path', async () => {
  await using wire = await startWire();
  const reply = await wire.send(
    'POST',
    PODS,
    pod('a', {
      spec: { containers: [{ name: 'main', image: 'x', ports: [{ containerPort: 'http' }] }] },
    }),
  );
  assertStatus(reply, 400, 'BadRequest');
  assert.match(
    String(at(reply.body, 'message')),
    /spec\.containers\[0\]\.ports\[0\]\.containerPort in body must be of type integer/,
  );
  const many = await wire.send(
    'POST',
    PODS,
    pod('a', { spec: { containers: [{ name: '', image: '' }] } }),
  );
  assert.deepEqual(
    (at(many.body, 'details.causes') as { field: string }[]).map(({ field }) => field),
    ['spec.containers[0].name', 'spec.containers[0].image'],
  );
});

test('fields: limits on size and depth', async () => {
  await using wire = await startWire();
  const large = { metadata: { name: 'a' }, data: { x: 'y'.repeat(1.6 * 1024 * 1024) } };
  assertStatus(await wire.send('POST', CONFIG_MAPS, large), 413, 'RequestEntityTooLarge');
  const huge = { metadata: { name: 'a' }, data: { x: 'y'.repeat(3.1 * 1024 * 1024) } };
  assertStatus(await wire.send('POST', CONFIG_MAPS, huge), 413, 'RequestEntityTooLarge');
  const deep = `{"metadata":{"name":"a"},"data":${'['.repeat(100_000)}${']'.repeat(100_000)}}`;
  assertStatus(await wire.send('POST', CONFIG_MAPS, deep), 400, 'BadRequest');
  const bytes = Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d]);
  const reply = await wire.server.handle({
    method: 'POST',
    target: CONFIG_MAPS,
    headers: {},
    body: bytes,
    signal: new AbortController().signal,
    user: { name: 'a', groups: [] },
  });
  assert.equal(reply.status, 400);
});

test('update: whoever may only change objects makes none by it', async () => {
  await using wire = await startWire({
    authorizer: async ({ verb }) => ({ allowed: verb !== 'create', reason: '' }),
  });
  const lease = '/apis/coordination.k8s.io/v1/namespaces/default/leases/a';
  assertStatus(await wire.send('PUT', lease, { metadata: { name: 'a' } }), 403, 'Forbidden');
  assertStatus(await wire.send('GET', lease), 404, 'NotFound');
});
