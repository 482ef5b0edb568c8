import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest, uniqueName } from '#test/support/cluster-under-test.ts';
import { define, definitionOf, DEFINITIONS } from '#test/support/custom-kind.ts';
import { at } from '#test/support/wire.ts';

const MERGE = { headers: { 'content-type': 'application/merge-patch+json' } };
const OPEN = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

interface Condition {
  readonly type: string;
  readonly status: string;
  readonly reason: string;
  readonly message: string;
}

/** The conditions of a definition, when one of them is this: `Established True`. */
async function conditionsWhen(
  watch: Awaited<ReturnType<typeof clusterUnderTest>>['watch'],
  name: string,
  wanted: string,
): Promise<Record<string, string>> {
  const query = `?watch=1&fieldSelector=metadata.name%3D${name}`;
  for await (const { object } of watch(`${DEFINITIONS}${query}`)) {
    const conditions = (at(object, 'status.conditions') ?? []) as Condition[];
    if (!conditions.some(({ type, status }) => `${type} ${status}` === wanted)) continue;
    return Object.fromEntries(
      conditions.map((each) => [each.type, `${each.status} ${each.reason}`]),
    );
  }
  assert.fail('the watch ended before the definition was as wanted');
}

test('definitions: say what they accepted, and that they are served', async () => {
  const { send, watch } = await clusterUnderTest();
  const group = `${uniqueName('g')}.example.com`;
  const name = `things.${group}`;
  const made = await send('POST', DEFINITIONS, definitionOf(group, OPEN));
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.deepEqual(at(made.body, 'spec.names'), {
    plural: 'things',
    singular: 'thing',
    kind: 'Thing',
    listKind: 'ThingList',
  });
  assert.deepEqual(at(made.body, 'spec.conversion'), { strategy: 'None' });
  assert.deepEqual(await conditionsWhen(watch, name, 'Established True'), {
    NamesAccepted: 'True NoConflicts',
    Established: 'True InitialNamesAccepted',
  });
  const { body } = await send('GET', `${DEFINITIONS}/${name}`);
  assert.deepEqual(at(body, 'status.acceptedNames'), at(body, 'spec.names'));
  assert.deepEqual(at(body, 'status.storedVersions'), ['v1']);
  const second = definitionOf(group, OPEN) as { spec: { names: object } };
  const other = await send('POST', DEFINITIONS, {
    metadata: { name: `stuffs.${group}` },
    spec: { ...second.spec, names: { plural: 'stuffs', kind: 'Thing' } },
  });
  assert.equal(other.status, 201, JSON.stringify(other.body));
  const refused = await conditionsWhen(watch, `stuffs.${group}`, 'NamesAccepted False');
  assert.equal(refused['NamesAccepted'], 'False ListKindConflict');
  for (const plural of ['stuffs', 'things'])
    await send('DELETE', `${DEFINITIONS}/${plural}.${group}`);
});

test('definitions: one object in all versions that are served, with a warning in an old one', async () => {
  const cluster = await clusterUnderTest();
  const { send } = cluster;
  const { group, target, definition } = await define(cluster, OPEN);
  // Before its definition changes: Kubernetes serves nothing of a kind for a moment then.
  const made = await send('POST', target, {
    apiVersion: `${group}/v1`,
    kind: 'Thing',
    metadata: { name: 'a' },
    spec: { x: 1 },
  });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const { body: defined } = await send('GET', definition);
  const [first] = at(defined, 'spec.versions') as object[];
  const old = { ...first, name: 'v1beta1', storage: false, deprecated: true };
  const gone = { ...first, name: 'v1alpha1', storage: false, served: false };
  const versions = { spec: { versions: [first, old, gone] } };
  assert.equal((await send('PATCH', definition, versions, MERGE)).status, 200);
  const older = target.replace('/v1/', '/v1beta1/');
  const deadline = AbortSignal.timeout(10_000);
  let reply = await send('GET', `${older}/a`);
  while (reply.status === 404) {
    deadline.throwIfAborted();
    reply = await send('GET', `${older}/a`);
  }
  assert.equal(at(reply.body, 'apiVersion'), `${group}/v1beta1`);
  assert.deepEqual(at(reply.body, 'spec'), { x: 1 });
  assert.equal(
    reply.headers['warning'],
    `299 - "${group}/v1beta1 Thing is deprecated; use ${group}/v1 Thing"`,
  );
  assert.equal((await send('GET', target.replace('/v1/', '/v1alpha1/'))).status, 404);
  const { body } = await send('GET', `/apis/${group}`);
  const served = at(body, 'versions') as { version: string }[];
  assert.deepEqual(
    served.map(({ version }) => version),
    ['v1', 'v1beta1'],
  );
  assert.equal(at(body, 'preferredVersion.version'), 'v1');
});

test('definitions: what cannot be one, or cannot change', async () => {
  const cluster = await clusterUnderTest();
  const { send } = cluster;
  const group = `${uniqueName('g')}.example.com`;
  const name = `things.${group}`;
  const schema = (openAPIV3Schema: object): object => ({ schema: { openAPIV3Schema } });
  const at0 = 'spec.validation.openAPIV3Schema';
  const property = (a: object): object => schema({ type: 'object', properties: { a } });
  const cases: readonly [version: object, field: string, message: RegExp][] = [
    [schema({}), `${at0}.type`, /^Required value: must not be empty at the root$/],
    [
      schema({ type: 'string' }),
      `${at0}.type`,
      /^Invalid value: "string": must be object at the root$/,
    ],
    [
      property({}),
      `${at0}.properties[a].type`,
      /^Required value: must not be empty for specified object fields$/,
    ],
    [
      property({ type: 'array' }),
      `${at0}.properties[a].items`,
      /^Required value: must be specified$/,
    ],
    [
      property({ type: 'string', default: 3 }),
      `${at0}.properties[a].default`,
      /must be of type string: "integer"$/,
    ],
    [
      property({ type: 'array', 'x-kubernetes-list-type': 'map', items: { type: 'object' } }),
      `${at0}.properties[a].x-kubernetes-list-map-keys`,
      /^Required value: must not be empty if x-kubernetes-list-type is map$/,
    ],
    [
      { additionalPrinterColumns: [{ name: 'X', type: 'bad', jsonPath: '.a' }] },
      'spec.additionalPrinterColumns[0].type',
      /supported values|must be one of/,
    ],
  ];
  for (const [version, field, message] of cases) {
    const reply = await send('POST', DEFINITIONS, definitionOf(group, OPEN, version));
    assert.equal(reply.status, 422, JSON.stringify([version, reply.body]));
    const causes = at(reply.body, 'details.causes') as { field: string; message: string }[];
    const found = causes.find((cause) => cause.field === field);
    assert.match(found?.message ?? JSON.stringify(causes), message);
  }
  const misnamed = { ...definitionOf(group, OPEN), metadata: { name: `others.${group}` } };
  const wrong = await send('POST', DEFINITIONS, misnamed);
  assert.match(
    String(at(wrong.body, 'message')),
    /metadata.name: Invalid value: "\S+": must be spec.names.plural\+"\."\+spec.group/,
  );
  assert.equal((await send('GET', `${DEFINITIONS}/${name}`)).status, 404);
  const { definition } = await define(cluster, OPEN);
  const moved = await send('PATCH', definition, { spec: { scope: 'Cluster' } }, MERGE);
  assert.equal(at(moved.body, 'details.causes.0.field'), 'spec.scope');
  assert.match(String(at(moved.body, 'details.causes.0.message')), /field is immutable/);
});

test('definitions: take their objects along when they go', async () => {
  const cluster = await clusterUnderTest();
  const { send, watch } = cluster;
  const { group, target, definition } = await define(cluster, OPEN);
  const finalizers = ['example.com/wait'];
  const thing = { apiVersion: `${group}/v1`, kind: 'Thing', metadata: { name: 'a', finalizers } };
  assert.equal((await send('POST', target, thing)).status, 201);
  const name = `things.${group}`;
  const marked = await send('DELETE', definition);
  assert.equal(marked.status, 200);
  assert.deepEqual(at(marked.body, 'metadata.finalizers'), [
    'customresourcecleanup.apiextensions.k8s.io',
  ]);
  await conditionsWhen(watch, name, 'Terminating True');
  const late = await send('POST', target, { ...thing, metadata: { name: 'b' } });
  assert.equal(late.status, 403);
  assert.equal(
    at(late.body, 'message'),
    `things.${group} "b" is forbidden: create not allowed while custom resource definition is terminating`,
  );
  for (;;) {
    const { body } = await send('GET', `${target}/a`);
    if (at(body, 'metadata.deletionTimestamp')) break;
  }
  await send('PATCH', `${target}/a`, { metadata: { finalizers: null } }, MERGE);
  const deadline = AbortSignal.timeout(20_000);
  while ((await send('GET', definition)).status !== 404) deadline.throwIfAborted();
  while ((await send('GET', target)).status !== 404) deadline.throwIfAborted();
});
