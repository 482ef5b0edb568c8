import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { coreKinds } from '#api/kinds.ts';
import { CustomResources } from '#apiserver/custom-resources/custom-resources.ts';
import { createApiServer } from '#apiserver/api-server.ts';
import { discoveryRoutes } from '#apiserver/discovery/discovery-routes.ts';
import { openApiRoutes } from '#apiserver/openapi/openapi-routes.ts';
import { openMemoryStore } from '#store/memory/memory-store.ts';
import { at, nextOf, wireOf, type Wire } from '#test/support/wire.ts';

const CRDS = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions';
const BARS = '/apis/ex.com/v1/namespaces/default/bars';
const string = { type: 'string' };

function object(properties: Readonly<Record<string, object>>, more: object = {}): object {
  return { type: 'object', properties, ...more };
}

const schema = object({
  spec: object(
    {
      s: { type: 'string', minLength: 2, maxLength: 4, pattern: '^a+$' },
      n: { type: 'integer', minimum: 2, exclusiveMinimum: true, maximum: 10 },
      m: { type: 'integer', multipleOf: 3 },
      e: { type: 'string', enum: ['a', 'b'] },
      l: { type: 'array', items: string, maxItems: 2, minItems: 1 },
      set: { type: 'array', items: string, 'x-kubernetes-list-type': 'set' },
      mp: {
        type: 'array',
        items: object({ k: string, v: string }, { required: ['k'] }),
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['k'],
      },
      addl: {
        type: 'object',
        additionalProperties: { type: 'integer', maximum: 3 },
        maxProperties: 2,
        minProperties: 1,
      },
      ios: { 'x-kubernetes-int-or-string': true },
      emb: object(
        {},
        {
          'x-kubernetes-embedded-resource': true,
          'x-kubernetes-preserve-unknown-fields': true,
        },
      ),
      ip: { type: 'string', format: 'ipv4' },
      nul: { type: 'string', nullable: true },
      filled: { type: 'string', default: 'by default' },
      replicas: { type: 'integer' },
    },
    { required: ['s'] },
  ),
  metadata: object({ name: { type: 'string', maxLength: 5 } }),
  status: object({ x: string, replicas: { type: 'integer' }, selector: string }),
});

function definition(changes: { spec?: object; version?: object; name?: string } = {}): object {
  const version = {
    name: 'v1',
    served: true,
    storage: true,
    schema: { openAPIV3Schema: schema },
    subresources: {
      status: {},
      scale: {
        specReplicasPath: '.spec.replicas',
        statusReplicasPath: '.status.replicas',
        labelSelectorPath: '.status.selector',
      },
    },
    additionalPrinterColumns: [{ name: 'S', type: 'string', jsonPath: '.spec.s' }],
    selectableFields: [{ jsonPath: '.spec.s' }],
    ...changes.version,
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: changes.name ?? 'bars.ex.com' },
    spec: {
      group: 'ex.com',
      scope: 'Namespaced',
      names: { plural: 'bars', kind: 'Bar', shortNames: ['br'], categories: ['all'] },
      versions: [version],
      ...changes.spec,
    },
  };
}

function bar(spec: object = {}, name = 'x'): object {
  const metadata = { name };
  return { apiVersion: 'ex.com/v1', kind: 'Bar', metadata, spec: { s: 'aa', ...spec } };
}

async function start(): Promise<Wire> {
  const clock = new FakeClock();
  const store = await openMemoryStore();
  const stop = new AbortController();
  const log = silentLog;
  const { signal } = stop;
  const kinds = await CustomResources.open({ store, builtIn: coreKinds, clock, log, signal });
  const random = seededRandom(7);
  const routes = [
    ...discoveryRoutes(() => kinds.current()),
    ...openApiRoutes(() => kinds.current()),
  ];
  const server = createApiServer({ store, kinds, clock, random, log, routes });
  const wire = await wireOf(server, { store, clock });
  return {
    ...wire,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await wire[Symbol.asyncDispose]();
    },
  };
}

/** Creates the definition and waits until it is established. */
async function establish(wire: Wire, body: object = definition()): Promise<void> {
  const { status, body: made } = await wire.send('POST', CRDS, body);
  assert.equal(status, 201, String(at(made, 'message')));
  const from = String(at(made, 'metadata.resourceVersion'));
  await seen(wire, from, 'Established');
}

async function seen(wire: Wire, from: string, type: string): Promise<unknown> {
  for await (const { object: found } of wire.watch(`${CRDS}?watch=1&resourceVersion=${from}`)) {
    const conditions = at(found, 'status.conditions');
    if (!Array.isArray(conditions)) continue;
    if (conditions.some((each) => at(each, 'type') === type)) return found;
  }
  return undefined;
}

test('definition: is established with its names, and its objects live', async () => {
  await using wire = await start();
  await establish(wire);
  const { body } = await wire.send('GET', `${CRDS}/bars.ex.com`);
  assert.deepEqual(at(body, 'status.acceptedNames'), {
    plural: 'bars',
    singular: 'bar',
    kind: 'Bar',
    listKind: 'BarList',
    shortNames: ['br'],
    categories: ['all'],
  });
  assert.deepEqual(at(body, 'status.storedVersions'), ['v1']);
  assert.deepEqual(
    [0, 1].map((n) => at(body, `status.conditions.${n}.reason`)),
    ['NoConflicts', 'InitialNamesAccepted'],
  );
  const made = await wire.send('POST', BARS, bar({ zz: 1, nul: null }));
  assert.equal(made.status, 201);
  assert.deepEqual(at(made.body, 'spec'), { s: 'aa', nul: null, filled: 'by default' });
  assert.match(String(made.headers['warning']), /unknown field \\"spec.zz\\"/);
  const patched = await wire.send('PATCH', `${BARS}/x`, { spec: { n: 3 } }, merge);
  assert.equal(at(patched.body, 'metadata.generation'), 2);
  const status = await wire.send('PATCH', `${BARS}/x/status`, { status: { x: '1' } }, merge);
  assert.equal(at(status.body, 'status.x'), '1');
  assert.equal(at(status.body, 'metadata.generation'), 2);
  const scaled = await wire.send('PATCH', `${BARS}/x/scale`, { spec: { replicas: 4 } }, merge);
  assert.equal(at(scaled.body, 'spec.replicas'), 4);
  assert.equal(at((await wire.send('GET', `${BARS}/x`)).body, 'spec.replicas'), 4);
  const selected = await wire.send('GET', `${BARS}?fieldSelector=spec.s=aa`);
  assert.equal(at(selected.body, 'items.0.metadata.name'), 'x');
  const strategic = { headers: { 'content-type': 'application/strategic-merge-patch+json' } };
  assert.equal((await wire.send('PATCH', `${BARS}/x`, {}, strategic)).status, 415);
  const table = { headers: { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io' } };
  const rows = await wire.send('GET', BARS, undefined, table);
  assert.deepEqual(at(rows.body, 'rows.0.cells'), ['x', 'aa']);
});

const merge = { headers: { 'content-type': 'application/merge-patch+json' } };

test('validation: says what kube-apiserver 1.34 says', async () => {
  await using wire = await start();
  await establish(wire);
  const check = async (spec: object, expected: string): Promise<void> => {
    const { body } = await wire.send('POST', `${BARS}?dryRun=All`, bar(spec));
    assert.equal(at(body, 'message'), `Bar.ex.com "x" is invalid: ${expected}`);
  };
  const says = 'in body should be';
  await check({ s: 'a' }, `spec.s: Invalid value: "a": spec.s ${says} at least 2 chars long`);
  await check({ s: 'aaaaa' }, 'spec.s: Too long: may not be more than 4 bytes');
  await check({ s: 'bb' }, `spec.s: Invalid value: "bb": spec.s in body should match '^a+$'`);
  await check(
    { s: 1 },
    'spec.s: Invalid value: "integer": spec.s in body must be of type string: "integer"',
  );
  await check({ n: 2 }, `spec.n: Invalid value: 2: spec.n ${says} greater than 2`);
  await check({ n: 11 }, `spec.n: Invalid value: 11: spec.n ${says} less than or equal to 10`);
  await check({ m: 4 }, `spec.m: Invalid value: 4: spec.m ${says} a multiple of 3`);
  await check({ e: 'c' }, 'spec.e: Unsupported value: "c": supported values: "a", "b"');
  await check({ l: [] }, 'spec.l: Invalid value: 0: spec.l in body should have at least 1 items');
  await check({ l: ['a', 'b', 'c'] }, 'spec.l: Too many: 3: must have at most 2 items');
  await check({ set: ['a', 'b', 'a'] }, 'spec.set[2]: Duplicate value: "a"');
  await check({ mp: [{ k: 'a' }, { k: 'a' }] }, 'spec.mp[1]: Duplicate value: {"k":"a"}');
  await check(
    { addl: { a: 4 } },
    `spec.addl.a: Invalid value: 4: spec.addl.a ${says} less than or equal to 3`,
  );
  await check({ addl: { a: 1, b: 1, c: 1 } }, 'spec.addl: Too many: 3: must have at most 2 items');
  await check(
    { addl: {} },
    'spec.addl: Invalid value: 0: spec.addl in body should have at least 1 properties',
  );
  await check(
    { ios: true },
    'spec.ios: Invalid value: "boolean": spec.ios in body must be of type integer,string: "boolean"',
  );
  await check(
    { emb: { a: 1 } },
    '[spec.emb.apiVersion: Required value, spec.emb.kind: Required value]',
  );
  await check(
    { ip: 'x' },
    'spec.ip: Invalid value: "x": spec.ip in body must be of type ipv4: "x"',
  );
  const named = await wire.send('POST', BARS, bar({}, 'longer'));
  assert.match(
    String(at(named.body, 'message')),
    /metadata.name: Too long: may not be more than 5 bytes$/,
  );
  await wire.send('POST', BARS, bar());
  const put = await wire.send('PUT', `${BARS}/x`, bar());
  assert.match(
    String(at(put.body, 'message')),
    /metadata.resourceVersion: Invalid value: 0: must be specified for an update$/,
  );
});

test('definition: what is no structural schema is refused in kube-apiserver’s words', async () => {
  await using wire = await start();
  const check = async (properties: Record<string, object>, expected: string): Promise<void> => {
    const openAPIV3Schema = object(properties);
    const changes = definition({ version: { schema: { openAPIV3Schema } } });
    const { body } = await wire.send('POST', `${CRDS}?dryRun=All`, changes);
    const text = String(at(body, 'message'));
    assert.ok(text.endsWith(`is invalid: spec.validation.openAPIV3Schema.${expected}`), text);
  };
  await check(
    { a: {} },
    'properties[a].type: Required value: must not be empty for specified object fields',
  );
  await check({ a: { type: 'array' } }, 'properties[a].items: Required value: must be specified');
  await check(
    { a: { type: 'array', items: {} } },
    'properties[a].items.type: Required value: must not be empty for specified array items',
  );
  await check(
    { a: { type: 'foo' } },
    'properties[a].type: Unsupported value: "foo": supported values: "array", "boolean", "integer", "number", "object", "string"',
  );
  await check(
    { a: { type: 'string', 'x-kubernetes-list-type': 'set' } },
    'properties[a].type: Invalid value: "string": must be array if x-kubernetes-list-type is specified',
  );
  await check(
    { metadata: object({ labels: object({}) }) },
    'properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified',
  );
  const wrong = await wire.send('POST', CRDS, definition({ name: 'foos.ex.com' }));
  assert.match(
    String(at(wrong.body, 'message')),
    /metadata.name: Invalid value: "foos.ex.com": must be spec.names.plural\+"."\+spec.group$/,
  );
});

test('versions: one object in all of them, stored in one', async () => {
  await using wire = await start();
  const version = (name: string, storage: boolean): object => ({
    name,
    served: true,
    storage,
    schema: { openAPIV3Schema: schema },
    ...(name === 'v1beta1' && { deprecated: true }),
  });
  const versions = [version('v1', true), version('v1beta1', false)];
  await establish(wire, definition({ spec: { versions } }));
  const beta = BARS.replace('v1', 'v1beta1');
  const made = await wire.send('POST', beta, { ...bar(), apiVersion: 'ex.com/v1beta1' });
  assert.equal(at(made.body, 'apiVersion'), 'ex.com/v1beta1');
  assert.equal(
    made.headers['warning'],
    '299 - "ex.com/v1beta1 Bar is deprecated; use ex.com/v1 Bar"',
  );
  const { body } = await wire.send('GET', `${BARS}/x`);
  assert.equal(at(body, 'apiVersion'), 'ex.com/v1');
  const listed = await wire.send('GET', beta);
  assert.equal(at(listed.body, 'items.0.apiVersion'), 'ex.com/v1beta1');
  const found = await wire.send('GET', '/apis/ex.com');
  assert.equal(at(found.body, 'preferredVersion.version'), 'v1');
  const described = await wire.send('GET', '/openapi/v3/apis/ex.com/v1beta1');
  assert.ok(at(described.body, 'components') !== undefined);
  assert.equal((await wire.send('GET', '/openapi/v2')).status, 200);
});

test('names: a taken one is not accepted until it is free', async () => {
  await using wire = await start();
  await establish(wire);
  const names = { plural: 'barks', kind: 'Bark', shortNames: ['br'] };
  const second = definition({ name: 'barks.ex.com', spec: { names } });
  const { body } = await wire.send('POST', CRDS, second);
  const from = String(at(body, 'metadata.resourceVersion'));
  const refused = await seen(wire, from, 'NamesAccepted');
  assert.equal(at(refused, 'status.conditions.0.reason'), 'ShortNamesConflict');
  assert.equal(at(refused, 'status.conditions.0.message'), '"br" is already in use');
  assert.equal((await wire.send('GET', '/apis/ex.com/v1/barks')).status, 404);
  await wire.send('DELETE', `${CRDS}/bars.ex.com`);
  for await (const { object: found } of wire.watch(`${CRDS}?watch=1&resourceVersion=${from}`)) {
    if (at(found, 'status.conditions.1.status') === 'True') break;
  }
  assert.equal((await wire.send('GET', '/apis/ex.com/v1/barks')).status, 200);
});

test('deletion: takes the objects along, waits for finalizers, ends watches', async () => {
  await using wire = await start();
  await establish(wire);
  await wire.send('POST', BARS, bar());
  const held = bar({}, 'held') as { metadata: object };
  await wire.send('POST', BARS, {
    ...held,
    metadata: { ...held.metadata, finalizers: ['ex.com/f'] },
  });
  const watch = wire.watch(`${BARS}?watch=1&resourceVersion=${wire.store.revision}`);
  const first = nextOf(watch);
  const { body } = await wire.send('DELETE', `${CRDS}/bars.ex.com`);
  assert.deepEqual(at(body, 'metadata.finalizers'), ['customresourcecleanup.apiextensions.k8s.io']);
  const events = [await first, await nextOf(watch)].map(
    ({ type, object: found }) => `${type} ${String(at(found, 'metadata.name'))}`,
  );
  assert.deepEqual(events.toSorted(), ['DELETED x', 'MODIFIED held']);
  assert.equal((await wire.send('POST', BARS, bar())).status, 403);
  await wire.send('PATCH', `${BARS}/held`, { metadata: { finalizers: null } }, merge);
  assert.equal((await nextOf(watch)).type, 'DELETED');
  assert.equal((await watch.next()).done, true);
  assert.equal((await wire.send('GET', `${CRDS}/bars.ex.com`)).status, 404);
  assert.equal((await wire.send('GET', BARS)).status, 404);
});

test('rules: are compiled with the definition and hold for its objects', async () => {
  await using wire = await start();
  const withRule = (rule: object, at: object = {}): object => {
    const openAPIV3Schema = object(
      { spec: object({ a: { type: 'integer', ...at } }) },
      { 'x-kubernetes-validations': [rule] },
    );
    return definition({ version: { schema: { openAPIV3Schema } } });
  };
  const refused = await wire.send('POST', CRDS, withRule({ rule: 'self.spec.a >' }));
  assert.match(
    String(at(refused.body, 'message')),
    /openAPIV3Schema\.x-kubernetes-validations\[0\]\.rule: Invalid value: "self\.spec\.a >": compilation failed: ERROR: /,
  );
  const unfit = await wire.send('POST', CRDS, withRule({ rule: 'true' }, { default: 'x' }));
  assert.match(
    String(at(unfit.body, 'message')),
    /properties\[a\]\.default: Invalid value: "string":  in body must be of type integer: "string"$/,
  );
  await establish(wire, withRule({ rule: "self.spec.a > 1 || self.metadata.name == 'x'" }));
  assert.equal((await wire.send('POST', BARS, bar({ a: 1 }))).status, 201);
  const { body } = await wire.send('POST', BARS, bar({ a: 1 }, 'y'));
  assert.equal(
    at(body, 'message'),
    `Bar.ex.com "y" is invalid: <nil>: Invalid value: "object": failed rule: self.spec.a > 1 || self.metadata.name == 'x'`,
  );
});
