import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  clusterUnderTest,
  uniqueName,
  type ClusterUnderTest,
} from '#test/support/cluster-under-test.ts';
import { DEFINITIONS, established, served } from '#test/support/custom-kind.ts';
import { startWebhookServer, type WebhookServer } from '#test/support/webhook-server.ts';
import { at, nextOf, type WireReply } from '#test/support/wire.ts';

const MERGE = { headers: { 'content-type': 'application/merge-patch+json' } };
const string = { type: 'string' };

interface Fields {
  readonly [name: string]: unknown;
}

/** A kind whose v1 has an `address`, which is stored, and whose v2 has `host` and `port` instead. */
function definitionOf(group: string, hook: WebhookServer): object {
  const version = (name: string, properties: object): object => ({
    name,
    served: true,
    storage: name === 'v1',
    schema: {
      openAPIV3Schema: {
        type: 'object',
        properties: { spec: { type: 'object', properties } },
      },
    },
  });
  return {
    metadata: { name: `things.${group}` },
    spec: {
      group,
      scope: 'Namespaced',
      names: { plural: 'things', kind: 'Thing' },
      versions: [version('v1', { address: string }), version('v2', { host: string, port: string })],
      conversion: {
        strategy: 'Webhook',
        webhook: {
          clientConfig: { url: `${hook.url}/convert`, caBundle: hook.caBundle },
          conversionReviewVersions: ['v1'],
        },
      },
    },
  };
}

function converted(object: Fields, apiVersion: string): object {
  const spec = (object['spec'] ?? {}) as Record<string, string>;
  if (apiVersion.endsWith('/v1')) {
    return { ...object, apiVersion, spec: { address: `${spec['host']}:${spec['port']}` } };
  }
  const [host, port] = spec['address']?.split(':') ?? [];
  return { ...object, apiVersion, spec: { host, port, pruned: 'this' } };
}

function answer(review: unknown, response: object): object {
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'ConversionReview',
    response: { uid: at(review, 'request.uid'), result: { status: 'Success' }, ...response },
  };
}

function convertAll(review: unknown): object {
  const wanted = String(at(review, 'request.desiredAPIVersion'));
  const objects = at(review, 'request.objects') as readonly Fields[];
  return answer(review, { convertedObjects: objects.map((each) => converted(each, wanted)) });
}

interface Bed extends AsyncDisposable {
  readonly cluster: ClusterUnderTest;
  readonly hook: WebhookServer;
  readonly group: string;
  /** Of the collection in a namespace of its own. */
  readonly path: (version: string) => string;
  readonly create: (version: string, fields: object) => Promise<WireReply>;
}

async function startBed(): Promise<Bed> {
  const cluster = await clusterUnderTest();
  const hook = await startWebhookServer();
  hook.answers.set('/convert', convertAll);
  const group = `${uniqueName('g')}.example.com`;
  const body = definitionOf(group, hook);
  const made = await cluster.send('POST', DEFINITIONS, body);
  assert.equal(made.status, 201, JSON.stringify(made.body));
  await established(cluster, `things.${group}`);
  const namespace = await cluster.namespace();
  const path = (version: string): string =>
    `/apis/${group}/${version}/namespaces/${namespace}/things`;
  await served(cluster, path('v2'));
  return {
    cluster,
    hook,
    group,
    path,
    create: async (version, fields) => {
      const object = { apiVersion: `${group}/${version}`, kind: 'Thing', ...fields };
      return await cluster.send('POST', path(version), object);
    },
    async [Symbol.asyncDispose]() {
      hook.answers.set('/convert', convertAll);
      await cluster.send('DELETE', `${DEFINITIONS}/things.${group}`);
      await hook[Symbol.asyncDispose]();
    },
  };
}

test('conversion: what is written in one version is read in the other', async () => {
  await using bed = await startBed();
  const { path, hook } = bed;
  const { send } = bed.cluster;
  const made = await bed.create('v2', {
    metadata: { name: 'a', labels: { by: 'v2' } },
    spec: { host: 'h', port: '1' },
  });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.deepEqual(at(made.body, 'spec'), { host: 'h', port: '1' });
  const old = await send('GET', `${path('v1')}/a`);
  assert.deepEqual(at(old.body, 'spec'), { address: 'h:1' });
  assert.equal(at(old.body, 'apiVersion'), `${bed.group}/v1`);
  assert.deepEqual(at(old.body, 'metadata.uid'), at(made.body, 'metadata.uid'));

  const patched = await send('PATCH', `${path('v2')}/a`, { spec: { port: '2' } }, MERGE);
  assert.deepEqual(at(patched.body, 'spec'), { host: 'h', port: '2' });
  assert.equal(at(patched.body, 'metadata.generation'), 2);
  const again = await send('PUT', `${path('v2')}/a`, patched.body);
  assert.equal(
    at(again.body, 'metadata.resourceVersion'),
    at(patched.body, 'metadata.resourceVersion'),
  );
  await bed.create('v1', { metadata: { name: 'b' }, spec: { address: 'i:3' } });
  const list = await send('GET', path('v2'));
  const specs = (at(list.body, 'items') as Fields[]).map(({ spec }) => spec);
  assert.deepEqual(specs, [
    { host: 'h', port: '2' },
    { host: 'i', port: '3' },
  ]);
  const reviews = hook.asked.map(({ review }) => review);
  assert.ok(reviews.every((review) => at(review, 'kind') === 'ConversionReview'));
  assert.ok(reviews.every((review) => at(review, 'apiVersion') === 'apiextensions.k8s.io/v1'));

  const gone = await send('DELETE', `${path('v2')}/a`);
  assert.equal(gone.status, 200, JSON.stringify(gone.body));
});

test('conversion: a watch tells of objects in its own version', async () => {
  await using bed = await startBed();
  const { path } = bed;
  const { send, watch } = bed.cluster;
  await bed.create('v1', { metadata: { name: 'a' }, spec: { address: 'h:1' } });
  const events = watch(`${path('v2')}?watch=1`);
  const first = await nextOf(events);
  assert.equal(first.type, 'ADDED');
  assert.deepEqual(at(first.object, 'spec'), { host: 'h', port: '1' });
  await send('PATCH', `${path('v1')}/a`, { spec: { address: 'h:2' } }, MERGE);
  const second = await nextOf(events);
  assert.equal(second.type, 'MODIFIED');
  assert.deepEqual(at(second.object, 'spec'), { host: 'h', port: '2' });
  await send('DELETE', `${path('v1')}/a`);
  const third = await nextOf(events);
  assert.equal(third.type, 'DELETED');
  assert.deepEqual(at(third.object, 'spec.port'), '2');
  await events.return();
});

test('conversion: labels and annotations may change, the rest of the metadata may not', async () => {
  await using bed = await startBed();
  const { path, hook } = bed;
  const { send } = bed.cluster;
  hook.answers.set('/convert', (review) => {
    const wanted = String(at(review, 'request.desiredAPIVersion'));
    const [object = {}] = at(review, 'request.objects') as readonly Fields[];
    const metadata = {
      ...(object['metadata'] as object),
      labels: { a: 'label' },
      annotations: { an: 'annotation' },
      finalizers: ['example.com/never'],
      resourceVersion: '1',
    };
    const one = { ...converted(object, wanted), metadata };
    return answer(review, { convertedObjects: [one] });
  });
  const made = await bed.create('v2', {
    metadata: { name: 'a' },
    spec: { host: 'h', port: '1' },
  });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const { body } = await send('GET', `${path('v1')}/a`);
  assert.deepEqual(at(body, 'metadata.labels'), { a: 'label' });
  assert.deepEqual(at(body, 'metadata.annotations'), { an: 'annotation' });
  assert.equal(at(body, 'metadata.finalizers'), undefined);
  assert.notEqual(at(body, 'metadata.resourceVersion'), '1');
});

/** Of the answer to the first object asked about, what another webhook would say of it. */
function changed(change: (object: Fields) => object) {
  return (review: unknown): object => {
    const [object = {}] = at(review, 'request.objects') as readonly Fields[];
    const wanted = String(at(review, 'request.desiredAPIVersion'));
    const one = { ...converted(object, wanted), ...change(object) };
    return answer(review, { convertedObjects: [one] });
  };
}

const metadata = (change: object) =>
  changed((object) => ({ metadata: { ...(object['metadata'] as object), ...change } }));

const QUALIFIED =
  "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

test('conversion: says how its webhook failed, and goes on with the next answer', async () => {
  await using bed = await startBed();
  const { path, hook, group } = bed;
  const { send } = bed.cluster;
  const failures: [string | RegExp, (review: unknown) => object | string | number][] = [
    [
      'failed: no way',
      (review) => answer(review, { result: { status: 'Failure', message: 'no way' } }),
    ],
    [
      "failed: response.result.status was '', not 'Success'",
      (review) => answer(review, { result: {} }),
    ],
    ['returned 0 objects, expected 1', (review) => answer(review, { convertedObjects: [] })],
    [/failed: expected response\.uid="[-0-9a-f]{36}", got "x"$/, (r) => answer(r, { uid: 'x' })],
    ['failed: no response provided', (r) => ({ ...answer(r, {}), response: undefined })],
    [
      'failed: expected webhook response of apiextensions.k8s.io/v1, Kind=ConversionReview, got /, Kind=',
      () => ({}),
    ],
    [
      `returned invalid object at index 0: invalid groupVersion (expected ${group}/v1, received ${group}/v3)`,
      changed(() => ({ apiVersion: `${group}/v3` })),
    ],
    [
      'returned invalid object at index 0: invalid kind (expected Thing, received Other)',
      changed(() => ({ kind: 'Other' })),
    ],
    ['returned invalid object: must have the same name: x != other', metadata({ name: 'other' })],
    [
      /returned invalid object: must have the same namespace: test-\w+ != other$/,
      metadata({ namespace: 'other' }),
    ],
    [
      /returned invalid object: must have the same UID: [-0-9a-f]{36} != other$/,
      metadata({ uid: 'other' }),
    ],
    [
      /returned invalid metadata: metadata\.labels\[a\] must be a string/,
      metadata({ labels: { a: 1 } }),
    ],
    [
      `returned invalid metadata: metadata.labels: Invalid value: "a b": ${QUALIFIED}`,
      metadata({ labels: { 'a b': 'c' } }),
    ],
    [/failed: /, () => 'no JSON'],
    [/failed: /, () => 500],
  ];
  const spec = { host: 'h', port: '1' };
  for (const [wanted, give] of failures) {
    hook.answers.set('/convert', give);
    const { status, body } = await bed.create('v2', { metadata: { name: 'x' }, spec });
    assert.equal(status, 500);
    const said = String(at(body, 'message'));
    const frame = `conversion webhook for ${group}/v2, Kind=Thing `;
    if (typeof wanted === 'string') assert.equal(said, frame + wanted);
    else assert.match(said, wanted);
    assert.ok(said.startsWith(frame), said);
  }
  assert.equal((await send('GET', `${path('v1')}/x`)).status, 404);

  hook.answers.set('/convert', convertAll);
  await bed.create('v1', { metadata: { name: 'x' }, spec: { address: 'h:1' } });
  hook.answers.set('/convert', () => 500);
  hook.asked.length = 0;
  assert.equal((await send('GET', `${path('v1')}/x`)).status, 200);
  const wanted = hook.asked.map(({ review }) => at(review, 'request.desiredAPIVersion'));
  assert.ok(!wanted.includes(`${group}/v1`), 'the stored version needs nobody');
});

test('conversion: refuses definitions that say it wrongly', async () => {
  const { send } = await clusterUnderTest();
  await using hook = await startWebhookServer();
  const causesOf = async (conversion: object): Promise<unknown> => {
    const group = `${uniqueName('g')}.example.com`;
    const definition = definitionOf(group, hook) as { spec: object };
    const spec = { ...definition.spec, conversion };
    const { status, body } = await send('POST', DEFINITIONS, { ...definition, spec });
    assert.equal(status, 422, JSON.stringify(body));
    return (at(body, 'details.causes') as Fields[]).map(({ field, message }) => [field, message]);
  };
  const strategy = 'Webhook';
  const clientConfig = { url: `${hook.url}/convert` };
  const conversionReviewVersions = ['v1'];
  const [client, versions] = [
    'spec.conversion.webhookClientConfig',
    'spec.conversion.conversionReviewVersions',
  ];
  assert.deepEqual(await causesOf({ strategy: 'Magic' }), [
    ['spec.conversion.strategy', 'Unsupported value: "Magic": supported values: "None", "Webhook"'],
  ]);
  assert.deepEqual(await causesOf({ strategy }), [
    [client, 'Required value: required when strategy is set to Webhook'],
    [versions, 'Required value'],
  ]);
  assert.deepEqual(
    await causesOf({ strategy, webhook: { clientConfig: {}, conversionReviewVersions } }),
    [[client, 'Required value: exactly one of url or service is required']],
  );
  const unknown = { clientConfig, conversionReviewVersions: ['v7'] };
  assert.deepEqual(await causesOf({ strategy, webhook: unknown }), [
    [versions, 'Invalid value: ["v7"]: must include at least one of v1, v1beta1'],
  ]);
  const webhook = { clientConfig, conversionReviewVersions };
  const why = 'Forbidden: should not be set when strategy is not set to Webhook';
  assert.deepEqual(await causesOf({ strategy: 'None', webhook }), [
    [client, why],
    [versions, why],
  ]);
});

const CONFIGURATIONS = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
const HEARD_WITHIN_MS = 10_000;

/** Asks `hook` at `path` about Things of v1; resolves when the server does so. */
async function askAbout(bed: Bed, path: string, matchPolicy: string): Promise<AsyncDisposable> {
  const { cluster, hook, group } = bed;
  const name = uniqueName('hook');
  const webhook = {
    name: 'things.example.com',
    clientConfig: { url: `${hook.url}${path}`, caBundle: hook.caBundle },
    rules: [
      {
        apiGroups: [group],
        apiVersions: ['v1'],
        operations: ['CREATE', 'UPDATE'],
        resources: ['things'],
      },
    ],
    matchPolicy,
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
  };
  const made = await cluster.send('POST', CONFIGURATIONS, {
    metadata: { name },
    webhooks: [webhook],
  });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const deadline = AbortSignal.timeout(HEARD_WITHIN_MS);
  const probe = { apiVersion: `${group}/v1`, kind: 'Thing', metadata: { name: 'probe' } };
  while (!hook.asked.some((asked) => asked.path === path)) {
    deadline.throwIfAborted();
    await cluster.send('POST', `${bed.path('v1')}?dryRun=All`, probe);
  }
  hook.asked.length = 0;
  return {
    async [Symbol.asyncDispose]() {
      await cluster.send('DELETE', `${CONFIGURATIONS}/${name}`);
    },
  };
}

function patch(...operations: object[]): object {
  const text = Buffer.from(JSON.stringify(operations)).toString('base64');
  return { patchType: 'JSONPatch', patch: text };
}

test('conversion: a webhook of one version is asked about the others too, and may change them', async () => {
  await using bed = await startBed();
  const { hook, group } = bed;
  const value = { address: 'changed:9' };
  hook.answers.set('/admit', () => patch({ op: 'replace', path: '/spec', value }));
  await using _configuration = await askAbout(bed, '/admit', 'Equivalent');
  const made = await bed.create('v2', { metadata: { name: 'a' }, spec: { host: 'h', port: '1' } });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.deepEqual(at(made.body, 'spec'), { host: 'changed', port: '9' });
  const [asked] = hook.asked.filter(({ path }) => path === '/admit');
  const request = at(asked?.review, 'request') as Fields;
  const kind = (version: string): object => ({ group, version, kind: 'Thing' });
  const resource = (version: string): object => ({ group, version, resource: 'things' });
  assert.deepEqual(request['kind'], kind('v1'));
  assert.deepEqual(request['requestKind'], kind('v2'));
  assert.deepEqual(request['resource'], resource('v1'));
  assert.deepEqual(request['requestResource'], resource('v2'));
  assert.deepEqual(at(request['object'], 'spec'), { address: 'h:1' });
  assert.equal(at(request['object'], 'apiVersion'), `${group}/v1`);
});

test('conversion: a webhook of exactly one version is not asked about others', async () => {
  await using bed = await startBed();
  const { hook } = bed;
  hook.answers.set('/admit', () => ({}));
  await using _configuration = await askAbout(bed, '/admit', 'Exact');
  const made = await bed.create('v2', { metadata: { name: 'a' }, spec: { host: 'h', port: '1' } });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.ok(hook.asked.every(({ path }) => path !== '/admit'));
});
