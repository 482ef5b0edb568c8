import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest } from '#test/support/cluster-under-test.ts';
import { at } from '#test/support/wire.ts';

/** A ConfigMap `a` in a namespace of its own, and what a request about ConfigMaps there is answered with. */
async function withConfigMap(): Promise<{
  readonly send: (
    method: string,
    path: string,
    body?: unknown,
    contentType?: string,
  ) => Promise<{ readonly status: number; readonly body: unknown }>;
}> {
  const cluster = await clusterUnderTest();
  const base = `/api/v1/namespaces/${await cluster.namespace()}/configmaps`;
  const { status } = await cluster.send('POST', base, configMap('a'));
  assert.equal(status, 201);
  return {
    send: (method, path, body, contentType = 'application/json') =>
      cluster.send(method, base + path, body, { headers: { 'content-type': contentType } }),
  };
}

function configMap(name: string, metadata: object = {}): object {
  return { metadata: { name, ...metadata }, data: { one: '1' } };
}

const MERGE = 'application/merge-patch+json';
const JSON_PATCH = 'application/json-patch+json';
const STRATEGIC = 'application/strategic-merge-patch+json';
const APPLY = 'application/apply-patch+yaml';
const NAME =
  "alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric";
const QUALIFIED = `must consist of ${NAME} character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')`;
const VALUE = `a valid label must be an empty string or consist of ${NAME} character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')`;
const SUBDOMAIN =
  "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

test('errors: a Status, to the last field', async () => {
  const { send } = await withConfigMap();
  assert.deepEqual(await statusOf(send('GET', '/none')), {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'configmaps "none" not found',
    reason: 'NotFound',
    details: { name: 'none', kind: 'configmaps' },
    code: 404,
  });
  assert.deepEqual(await statusOf(send('POST', '', configMap('a'))), {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: 'configmaps "a" already exists',
    reason: 'AlreadyExists',
    details: { name: 'a', kind: 'configmaps' },
    code: 409,
  });
  const message = `Invalid value: "Bad_Name": ${SUBDOMAIN}`;
  assert.deepEqual(await statusOf(send('POST', '', configMap('Bad_Name'))), {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: `ConfigMap "Bad_Name" is invalid: metadata.name: ${message}`,
    reason: 'Invalid',
    details: {
      name: 'Bad_Name',
      kind: 'ConfigMap',
      causes: [{ reason: 'FieldValueInvalid', message, field: 'metadata.name' }],
    },
    code: 422,
  });
});

async function statusOf(reply: Promise<{ readonly body: unknown }>): Promise<unknown> {
  return (await reply).body;
}

test('errors: metadata that is none', async () => {
  const { send } = await withConfigMap();
  const cases: readonly [metadata: object, field: string, message: string][] = [
    [
      { labels: { 'a/b/c': 'x' } },
      'labels',
      `"a/b/c": a qualified name ${QUALIFIED} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')`,
    ],
    [{ labels: { a: '-bad' } }, 'labels', `"-bad": ${VALUE}`],
    [
      { labels: { a: 'y'.repeat(64) } },
      'labels',
      `"${'y'.repeat(64)}": must be no more than 63 characters`,
    ],
    [{ labels: { 'Up/a': '' } }, 'labels', `"Up/a": prefix part ${SUBDOMAIN}`],
    [{ annotations: { 'bad key': '' } }, 'annotations', `"bad key": name part ${QUALIFIED}`],
    [
      { finalizers: ['nope'] },
      'finalizers[0]',
      '"nope": name is neither a standard finalizer name nor is it fully qualified',
    ],
  ];
  for (const [metadata, field, message] of cases) {
    const { status, body } = await send('POST', '', configMap('b', metadata));
    assert.equal(status, 422, message);
    const path = `metadata.${field}`;
    assert.equal(
      at(body, 'message'),
      `ConfigMap "b" is invalid: ${path}: Invalid value: ${message}`,
    );
    assert.equal(at(body, 'details.causes.0.field'), path);
  }
});

test('errors: bodies that cannot be the object', async () => {
  const { send } = await withConfigMap();
  const refused: readonly [method: string, path: string, body: unknown][] = [
    ['POST', '', '{'],
    ['POST', '', '[]'],
    ['POST', '', { ...configMap('b'), apiVersion: 'v2', kind: 'ConfigMap' }],
    ['POST', '', { ...configMap('b'), apiVersion: 'v1', kind: 'Secret' }],
    ['POST', '', { metadata: { name: 'b' }, data: { a: 1 } }],
    ['POST', '', { metadata: { name: 'b' }, data: ['a'] }],
    ['POST', '', { metadata: { name: 7 } }],
    ['POST', '', configMap('b', { namespace: 'other' })],
    ['PUT', '/a', configMap('b')],
    ['PUT', '/a', { data: {} }],
  ];
  for (const [method, path, body] of refused) {
    const reply = await send(method, path, body);
    assert.equal(reply.status, 400, JSON.stringify([body, reply.body]));
    assert.equal(at(reply.body, 'reason'), 'BadRequest');
  }
  const nameless = await send('PUT', '/a', { data: {} });
  assert.equal(
    at(nameless.body, 'message'),
    'the name of the object (a based on URL) was undeterminable: name must be provided',
  );
});

test('errors: writes to another version of the object', async () => {
  const { send } = await withConfigMap();
  const stale = await send('PUT', '/a', configMap('a', { resourceVersion: '1' }));
  assert.equal(stale.status, 409);
  assert.equal(
    at(stale.body, 'message'),
    'Operation cannot be fulfilled on configmaps "a": the object has been modified; please apply your changes to the latest version and try again',
  );
  assert.deepEqual(at(stale.body, 'details'), { name: 'a', kind: 'configmaps' });
  const other = await send('PUT', '/a', configMap('a', { uid: 'other' }));
  assert.equal(other.status, 409);
  assert.match(
    String(at(other.body, 'message')),
    /Precondition failed: UID in precondition: other/,
  );
  const renamed = await send('PATCH', '/a', { metadata: { uid: '1' } }, MERGE);
  assert.equal(renamed.status, 422);
  assert.match(String(at(renamed.body, 'message')), /metadata\.uid: Invalid value: "1": field is/);
  assert.equal((await send('PUT', '/none', configMap('none'))).status, 404);
});

test('errors: patches that are none, or do not fit', async () => {
  const { send } = await withConfigMap();
  const cases: readonly [type: string, body: unknown, status: number][] = [
    ['application/json', {}, 415],
    ['text/plain', {}, 415],
    [MERGE, '{', 400],
    [MERGE, '[]', 400],
    [MERGE, { data: { a: 1 } }, 422],
    [MERGE, { metadata: { name: 'z' } }, 400],
    [MERGE, { metadata: { resourceVersion: '1' } }, 409],
    [JSON_PATCH, '{', 400],
    [JSON_PATCH, {}, 400],
    [JSON_PATCH, [{ op: 'test', path: '/data/one', value: '4' }], 422],
    [JSON_PATCH, [{ op: 'remove', path: '/data/none' }], 422],
    [JSON_PATCH, [{ op: 'replace', path: '/none/none', value: 1 }], 422],
    [JSON_PATCH, [{ op: 'none', path: '/data/one', value: 1 }], 422],
  ];
  for (const [type, body, status] of cases) {
    const reply = await send('PATCH', '/a', body, type);
    assert.equal(reply.status, status, JSON.stringify([type, body, reply.body]));
  }
  const missing = await send('PATCH', '/none', { data: {} }, STRATEGIC);
  assert.equal(missing.status, 404);
});

test('errors: what an apply cannot be', async () => {
  const { send } = await withConfigMap();
  const whole = { apiVersion: 'v1', kind: 'ConfigMap', data: { one: '2' } };
  const cases: readonly [query: string, body: object, status: number, message: string][] = [
    [
      '/a',
      whole,
      422,
      'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
    ],
    ['/a?fieldManager=m', { data: {} }, 400, 'invalid object type: /, Kind='],
    [
      '/a?fieldManager=m',
      { ...whole, apiVersion: 'v2' },
      400,
      'invalid object type: /v2, Kind=ConfigMap',
    ],
    [
      '/a?fieldManager=m',
      { ...whole, metadata: { managedFields: [{}] } },
      400,
      'metadata.managedFields must be nil',
    ],
    [
      '/b?fieldManager=m',
      whole,
      400,
      'the name of the object (b based on URL) was undeterminable: name must be provided',
    ],
    [
      '/b?fieldManager=m',
      { ...whole, metadata: { name: 'b', uid: 'x' } },
      409,
      'Operation cannot be fulfilled on configmaps "b": uid mismatch: the provided object specified uid x, and no existing object was found',
    ],
    [
      '/a?fieldManager=m',
      whole,
      409,
      'Apply failed with 1 conflict: conflict with "unknown" using v1: .data.one',
    ],
  ];
  for (const [path, body, status, message] of cases) {
    const reply = await send('PATCH', path, body, APPLY);
    assert.equal(reply.status, status, JSON.stringify(reply.body));
    assert.equal(at(reply.body, 'message'), message);
  }
  const forced = await send('PATCH', '/a?force=true', { data: {} }, MERGE);
  assert.equal(forced.status, 422);
  assert.deepEqual(at(forced.body, 'details'), {
    group: 'meta.k8s.io',
    kind: 'PatchOptions',
    causes: [
      {
        reason: 'FieldValueForbidden',
        message: 'Forbidden: may not be specified for non-apply patch',
        field: 'force',
      },
    ],
  });
});

test('errors: options of a deletion', async () => {
  const { send } = await withConfigMap();
  const cases: readonly [query: string, options: object | undefined, message: string][] = [
    ['?dryRun=Some', undefined, 'dryRun: Unsupported value: ["Some"]: supported values: "All"'],
    [
      '',
      { propagationPolicy: 'Sideways' },
      'propagationPolicy: Unsupported value: "Sideways": supported values: "Foreground", "Background", "Orphan", "nil"',
    ],
    [
      '',
      { propagationPolicy: 'Background', orphanDependents: true },
      'propagationPolicy: Invalid value: "Background": orphanDependents and deletionPropagation cannot be both set',
    ],
  ];
  for (const [query, options, message] of cases) {
    const { status, body } = await send('DELETE', `/a${query}`, options);
    assert.equal(status, 422, message);
    assert.equal(at(body, 'message'), `DeleteOptions.meta.k8s.io "" is invalid: ${message}`);
    assert.equal(at(body, 'details.kind'), 'DeleteOptions');
  }
  const other = await send('DELETE', '/a', { apiVersion: 'v1', kind: 'Pod' });
  assert.ok(other.status >= 400, 'what is no DeleteOptions deletes nothing');
  const { body: before } = await send('GET', '/a');
  const uid = String(at(before, 'metadata.uid'));
  const another = await send('DELETE', '/a', { preconditions: { uid: 'x' } });
  assert.equal(another.status, 409);
  assert.equal(
    at(another.body, 'message'),
    `Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition (x) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
  );
  const stale = await send('DELETE', '/a', { preconditions: { resourceVersion: '1' } });
  assert.equal(stale.status, 409);
  assert.match(String(at(stale.body, 'message')), /the ResourceVersion in the precondition \(1\)/);
  const dry = await send('DELETE', '/a?dryRun=All');
  assert.equal(dry.status, 200);
  assert.equal((await send('GET', '/a')).status, 200);
  const gone = await send('DELETE', '/a');
  assert.deepEqual(gone.body, {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Success',
    details: { name: 'a', kind: 'configmaps', uid },
  });
});
