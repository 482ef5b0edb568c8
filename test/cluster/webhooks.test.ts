import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import type { KubeconfigTarget } from '#client/kubeconfig.ts';
import { clusterUnderTest, uniqueName } from '#test/support/cluster-under-test.ts';
import { patchResponse, startWebhookServer } from '#test/support/webhook-server.ts';
import { at, type WireReply } from '#test/support/wire.ts';

const MERGE = { headers: { 'content-type': 'application/merge-patch+json' } };
const KINDS = {
  mutating: '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations',
  validating: '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations',
};
/** A configuration is acted on a moment after it was written, and a real server tells nobody when. */
const MEANT_WITHIN_MS = 10_000;

interface Hook {
  readonly name: string;
  readonly path: string;
  readonly changes?: object;
}

/** Webhooks of ConfigMaps in a namespace of its own. */
async function withWebhooks() {
  const cluster = await clusterUnderTest();
  const label = uniqueName('hook');
  const namespace = await cluster.namespace({ hook: label });
  const maps = `/api/v1/namespaces/${namespace}/configmaps`;
  const server = await startWebhookServer();
  const configurations: string[] = [];
  const drop = async (): Promise<void> => {
    for (const target of configurations.splice(0)) await cluster.send('DELETE', target);
  };
  const post = (name: string, query = ''): Promise<WireReply> =>
    cluster.send('POST', `${maps}${query}`, {
      metadata: { name, labels: { from: 'test' } },
      data: { k: 'v' },
    });

  /** Instead of those before; one more of them is a probe, which says when they are acted on. */
  async function configure(kind: keyof typeof KINDS, ...hooks: Hook[]): Promise<void> {
    await drop();
    const metadata = { name: uniqueName('hooks') };
    const webhookOf = ({ name, path, changes = {} }: Hook, condition: string): object => ({
      name,
      clientConfig: { url: `${server.url}${path}`, caBundle: server.caBundle },
      rules: [rule()],
      namespaceSelector: { matchLabels: { hook: label } },
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      timeoutSeconds: 5,
      ...changes,
      matchConditions: [
        { name: 'probe', expression: condition },
        ...((at(changes, 'matchConditions') ?? []) as object[]),
      ],
    });
    const webhooks = [
      ...hooks.map((hook) => webhookOf(hook, 'request.name != "probe"')),
      webhookOf({ name: 'probe.example.com', path: '/probe' }, 'request.name == "probe"'),
    ];
    const { status, body } = await cluster.send('POST', KINDS[kind], { metadata, webhooks });
    assert.equal(status, 201, String(at(body, 'message')));
    configurations.push(`${KINDS[kind]}/${metadata.name}`);
    const token = uniqueName('probe');
    server.answers.set('/probe', () => ({ allowed: false, status: { message: token } }));
    const deadline = AbortSignal.timeout(MEANT_WITHIN_MS);
    for (;;) {
      const probed = await post('probe', '?dryRun=All');
      if (String(at(probed.body, 'message')).endsWith(token)) break;
      deadline.throwIfAborted();
    }
    server.asked.length = 0;
  }

  return {
    ...cluster,
    namespace,
    maps,
    server,
    post,
    configure,
    /** The fields of the requests that were asked about since the last time, by this path. */
    asked: (...paths: string[]): unknown[][] =>
      server.asked
        .splice(0)
        .map(({ review }) => paths.map((path) => at(review, `request.${path}`))),
    async [Symbol.asyncDispose]() {
      await drop();
      await server[Symbol.asyncDispose]();
    },
  };
}

function rule(changes: object = {}): object {
  const usual = { operations: ['*'], apiGroups: [''], apiVersions: ['v1'] };
  return { ...usual, resources: ['configmaps'], ...changes };
}

test('webhooks: are told the whole write', async () => {
  await using bed = await withWebhooks();
  const { server, post, send, maps, namespace } = bed;
  await bed.configure('validating', { name: 'v.example.com', path: '/v' });
  assert.equal((await post('a', '?fieldManager=me')).status, 201);
  const [asked] = server.asked.splice(0);
  const request = at(asked?.review, 'request') as Record<string, unknown>;
  assert.equal(at(asked?.review, 'apiVersion'), 'admission.k8s.io/v1');
  const { object, userInfo, uid, ...rest } = request;
  assert.match(String(uid), /^[0-9a-f-]{36}$/);
  assert.equal(at(object, 'data.k'), 'v');
  assert.match(String(at(object, 'metadata.uid')), /^[0-9a-f-]{36}$/);
  assert.ok((at(userInfo, 'groups') as string[]).includes('system:masters'));
  const gvk = { group: '', version: 'v1', kind: 'ConfigMap' };
  const gvr = { group: '', version: 'v1', resource: 'configmaps' };
  assert.deepEqual(rest, {
    kind: gvk,
    resource: gvr,
    requestKind: gvk,
    requestResource: gvr,
    name: 'a',
    namespace,
    operation: 'CREATE',
    oldObject: null,
    dryRun: false,
    options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1', fieldManager: 'me' },
  });
  await send('PATCH', `${maps}/a?dryRun=All`, { data: { k: 'w' } }, MERGE);
  assert.deepEqual(bed.asked('operation', 'object.data.k', 'oldObject.data.k', 'dryRun'), [
    ['UPDATE', 'w', 'v', true],
  ]);
  await send('PATCH', `${maps}/a`, { data: { k: 'v' } }, MERGE);
  bed.asked();
  await send('DELETE', `${maps}/a`, { gracePeriodSeconds: 0, propagationPolicy: 'Background' });
  assert.deepEqual(bed.asked('operation', 'object', 'oldObject.data.k', 'options.kind'), [
    ['DELETE', null, 'v', 'DeleteOptions'],
  ]);
});

test('webhooks: a refusal is told in the webhook’s words, with its warnings', async () => {
  await using bed = await withWebhooks();
  await bed.configure('validating', { name: 'v.example.com', path: '/v' });
  const text = 'admission webhook "v.example.com" denied the request';
  const refusals: readonly [
    said: object | undefined,
    code: number,
    message: string,
    more: object,
  ][] = [
    [undefined, 400, `${text} without explanation`, {}],
    [{ message: 'no way' }, 400, `${text}: no way`, {}],
    [{ message: 'gone', code: 404 }, 404, `${text}: gone`, {}],
    [{ reason: 'Teapot', code: 418 }, 418, `${text}: Teapot`, { reason: 'Teapot' }],
    [{ message: 'x', reason: 'Forbidden', code: 403 }, 403, `${text}: x`, { reason: 'Forbidden' }],
    [{ message: 'm', code: 200 }, 400, `${text}: m`, {}],
    [
      {
        message: 'd',
        details: { name: 'q', causes: [{ field: 'data', reason: 'R', message: 'bad' }] },
      },
      400,
      `${text}: d`,
      { details: { name: 'q', causes: [{ reason: 'R', message: 'bad', field: 'data' }] } },
    ],
  ];
  for (const [said, code, message, more] of refusals) {
    const warnings = ['careful'];
    bed.server.answers.set('/v', () => ({
      allowed: false,
      warnings,
      ...(said && { status: said }),
    }));
    const { status, headers, body } = await bed.post('a');
    assert.equal(status, code, message);
    assert.equal(headers['warning'], '299 - "careful"');
    const status0 = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure' };
    assert.deepEqual(body, { ...status0, message, ...more, code });
  }
  bed.server.answers.set('/v', () => ({ warnings: ['one', 'two'] }));
  const { status, headers } = await bed.post('a', '?dryRun=All');
  assert.equal(status, 201);
  assert.equal(headers['warning'], '299 - "one", 299 - "two"');
});

test('webhooks: what fails is told or passed over, as its policy says', async () => {
  await using bed = await withWebhooks();
  const { server } = bed;
  const failed = 'Internal error occurred: failed calling webhook "v.example.com": ';
  const invalid = `${failed}received invalid webhook response: `;
  const call = `${failed}failed to call webhook: Post`;
  const review = { kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1' };
  await bed.configure('validating', { name: 'v.example.com', path: '/v' });
  const answers: readonly [answer: string, message: string][] = [
    ['{}', `${invalid}webhook response was absent`],
    [JSON.stringify(review), `${invalid}webhook response was absent`],
  ];
  for (const [answer, expected] of answers) {
    server.answers.set('/v', () => answer);
    const { status, body } = await bed.post('a');
    assert.equal(status, 500);
    assert.equal(at(body, 'message'), expected);
    const causes = [{ message: expected.replace('Internal error occurred: ', '') }];
    assert.deepEqual(at(body, 'details'), { causes });
  }
  server.answers.set('/v', () => ({ uid: 'x' }));
  const other = String(at((await bed.post('a')).body, 'message'));
  assert.match(
    other,
    /received invalid webhook response: expected response.uid="[0-9a-f-]{36}", got "x"$/,
  );
  server.answers.set('/v', () => patchResponse({ op: 'add', path: '/data/x', value: 'y' }));
  const patched = await bed.post('a');
  assert.equal(
    at(patched.body, 'message'),
    `${invalid}validating webhook may not return response.patch`,
  );
  const unheard = { timeoutSeconds: 1 };
  server.answers.set('/late', () => undefined);
  await bed.configure('validating', { name: 'v.example.com', path: '/late', changes: unheard });
  assert.equal(
    at((await bed.post('a')).body, 'message'),
    `${call} "${server.url}/late?timeout=1s": context deadline exceeded`,
  );
  const broken: readonly [clientConfig: object, message: string][] = [
    [
      { url: 'https://127.0.0.1:1/x' },
      '"https://127.0.0.1:1/x?timeout=5s": dial tcp 127.0.0.1:1: connect: connection refused',
    ],
    [
      { url: `${server.url}/v` },
      `"${server.url}/v?timeout=5s": tls: failed to verify certificate: x509: certificate signed by unknown authority`,
    ],
    [
      { service: { namespace: bed.namespace, name: 'none', path: '/x' } },
      `"https://none.${bed.namespace}.svc:443/x?timeout=5s": service "none" not found`,
    ],
  ];
  for (const [clientConfig, expected] of broken) {
    const hook = { name: 'v.example.com', path: '/v', changes: { clientConfig } };
    await bed.configure('validating', hook);
    assert.equal(at((await bed.post('a')).body, 'message'), `${call} ${expected}`);
  }
  const ignored = { clientConfig: { url: 'https://127.0.0.1:1/x' }, failurePolicy: 'Ignore' };
  await bed.configure('validating', { name: 'v.example.com', path: '/v', changes: ignored });
  assert.equal((await bed.post('a')).status, 201);
});

test('webhooks: side effects at a dry run are told of before anybody is asked', async () => {
  await using bed = await withWebhooks();
  const noEffect = { sideEffects: 'NoneOnDryRun' };
  await bed.configure('validating', { name: 'v.example.com', path: '/v', changes: noEffect });
  assert.equal((await bed.post('a', '?dryRun=All')).status, 201);
  assert.deepEqual(bed.asked('dryRun', 'options.dryRun'), [[true, ['All']]]);
  assert.equal((await bed.send('GET', `${bed.maps}/a`)).status, 404);
});

test('webhooks: rules, selectors and conditions choose what is asked', async () => {
  await using bed = await withWebhooks();
  const { maps, send, namespace } = bed;
  const selected = {
    objectSelector: { matchLabels: { tier: 'gold' } },
    rules: [rule({ operations: ['UPDATE'] })],
  };
  const condition = (name: string, expression: string) => ({
    matchConditions: [{ name, expression }],
  });
  await bed.configure('validating', {
    name: 'v.example.com',
    path: '/v',
    changes: condition('named', 'object.metadata.name.startsWith("yes")'),
  });
  await bed.post('no', '?dryRun=All');
  await bed.post('yes', '?dryRun=All');
  assert.deepEqual(bed.asked('name'), [['yes']]);

  const impossible = condition('impossible', 'object.data.none == "x"');
  await bed.configure('validating', { name: 'v.example.com', path: '/v', changes: impossible });
  const unclear = await bed.post('a');
  assert.equal(unclear.status, 403);
  assert.equal(
    at(unclear.body, 'message'),
    `configmaps "a" is forbidden: expression 'object.data.none == "x"' resulted in error: no such key: none`,
  );
  const lenient = { ...impossible, failurePolicy: 'Ignore' };
  await bed.configure('validating', { name: 'v.example.com', path: '/v', changes: lenient });
  assert.equal((await bed.post('a')).status, 201);
  assert.deepEqual(bed.asked('name'), []);

  await bed.configure('validating', { name: 'v.example.com', path: '/v', changes: selected });
  const label = (tier: string | null) =>
    send('PATCH', `${maps}/a`, { metadata: { labels: { tier } } }, MERGE);
  await label('gold');
  assert.deepEqual(bed.asked('operation'), [['UPDATE']]);
  await label(null);
  // What is no longer selected was until now.
  assert.deepEqual(bed.asked('operation'), [['UPDATE']]);
  await label('tin');
  assert.deepEqual(bed.asked('operation'), []);

  const scales = { rules: [rule({ apiGroups: ['apps'], resources: ['deployments/scale'] })] };
  await bed.configure('validating', { name: 'v.example.com', path: '/v', changes: scales });
  const deployments = `/apis/apps/v1/namespaces/${namespace}/deployments`;
  assert.equal((await send('POST', deployments, deployment())).status, 201);
  const two = { spec: { replicas: 2 } };
  assert.equal((await send('PATCH', `${deployments}/d/scale?dryRun=All`, two, MERGE)).status, 200);
  const fields = [
    'kind',
    'resource.resource',
    'subResource',
    'object.kind',
    'object.spec.replicas',
  ];
  const scale = { group: 'autoscaling', version: 'v1', kind: 'Scale' };
  assert.deepEqual(bed.asked(...fields), [[scale, 'deployments', 'scale', 'Scale', 2]]);
});

function deployment(): object {
  const labels = { app: 'd' };
  const containers = [{ name: 'main', image: 'sample:v1' }];
  return {
    metadata: { name: 'd' },
    spec: {
      replicas: 0,
      selector: { matchLabels: labels },
      template: { metadata: { labels }, spec: { containers } },
    },
  };
}

test('webhooks: those that change are asked in order, and again where they want to be', async () => {
  await using bed = await withWebhooks();
  const { server, post } = bed;
  for (const key of ['one', 'two']) {
    const path = `/data/${key}`;
    server.answers.set(`/${key}`, () => patchResponse({ op: 'add', path, value: 'x' }));
  }
  const paths = (): string[] => server.asked.splice(0).map(({ path }) => path);
  const first = { name: 'a.example.com', path: '/one' };
  const second = { name: 'b.example.com', path: '/two' };
  const again = { ...first, changes: { reinvocationPolicy: 'IfNeeded' } };
  await bed.configure('mutating', again, second);
  const { body } = await post('a', '?dryRun=All');
  assert.deepEqual(at(body, 'data'), { k: 'v', one: 'x', two: 'x' });
  assert.deepEqual(paths(), ['/one', '/two', '/one']);
  await bed.configure('mutating', first, second);
  await post('a', '?dryRun=All');
  assert.deepEqual(paths(), ['/one', '/two']);

  const failed = 'Internal error occurred: failed calling webhook "a.example.com": ';
  const invalid = `${failed}received invalid webhook response: webhook returned `;
  await bed.configure('mutating', first);
  for (const [answer, message] of [
    [{ patch: 'e30=' }, `${invalid}response.patch but not response.patchType`],
    [{ patchType: 'JSONPatch' }, `${invalid}response.patchType but not response.patch`],
  ] as const) {
    server.answers.set('/one', () => answer);
    assert.equal(at((await post('a')).body, 'message'), message);
  }
  const label = { op: 'add', path: '/metadata/labels/bad!', value: 'x' };
  server.answers.set('/one', () => patchResponse(label));
  const unfit = await post('a');
  assert.equal(unfit.status, 422);
  assert.match(String(at(unfit.body, 'message')), /metadata.labels: Invalid value: "bad!"/);
});

test('webhooks: are asked about what is sent to a subresource and stored nowhere', async () => {
  await using bed = await withWebhooks();
  const { send, namespace, server } = bed;
  const within = `/api/v1/namespaces/${namespace}`;
  const containers = [{ name: 'main', image: 'sample:v1' }];
  const spec = { schedulerName: 'nobody', containers };
  await send('POST', `${within}/pods`, { metadata: { name: 'p' }, spec });
  const resources = ['pods/*', 'serviceaccounts/token'];
  const all = { rules: [rule({ apiGroups: ['*'], apiVersions: ['*'], resources })] };
  await bed.configure('validating', {
    name: 'v.example.com',
    path: '/v',
    changes: { rules: [...all.rules, rule()] },
  });
  const fields = [
    'operation',
    'kind.kind',
    'resource.resource',
    'subResource',
    'name',
    'namespace',
  ];
  const refused = 'admission webhook "v.example.com" denied the request: no';
  const no = (): void =>
    void server.answers.set('/v', () => ({ allowed: false, status: { message: 'no' } }));
  const asked = (...more: string[]): unknown[] | undefined => bed.asked(...fields, ...more).at(0);

  no();
  const token = await send('POST', `${within}/serviceaccounts/default/token`, {});
  assert.equal(at(token.body, 'message'), refused);
  const ofToken = ['CREATE', 'TokenRequest', 'serviceaccounts', 'token', 'default', namespace];
  assert.deepEqual(asked('object.kind', 'oldObject'), [...ofToken, 'TokenRequest', null]);

  const target = { kind: 'Node', name: 'n' };
  const binding = await send('POST', `${within}/pods/p/binding`, {
    metadata: { name: 'p' },
    target,
  });
  assert.equal(at(binding.body, 'message'), refused);
  const ofBinding = ['CREATE', 'Binding', 'pods', 'binding', 'p', namespace];
  assert.deepEqual(asked('object.target.name'), [...ofBinding, 'n']);

  const eviction = await send('POST', `${within}/pods/p/eviction`, { metadata: { name: 'p' } });
  assert.equal(at(eviction.body, 'message'), refused);
  const ofEviction = ['CREATE', 'Eviction', 'pods', 'eviction', 'p', namespace];
  assert.deepEqual(asked('object.kind', 'kind.group'), [...ofEviction, 'Eviction', 'policy']);

  const exec = `${within}/pods/p/exec?command=ls&command=-l&stdout=true&container=main`;
  assert.equal(at(await upgradeRefused(bed.target, exec), 'message'), refused);
  const ofExec = ['CONNECT', 'PodExecOptions', 'pods', 'exec', 'p', namespace];
  assert.deepEqual(asked('object', 'options'), [
    ...ofExec,
    {
      kind: 'PodExecOptions',
      apiVersion: 'v1',
      stdout: true,
      container: 'main',
      command: ['ls', '-l'],
    },
    null,
  ]);

  server.answers.clear();
  const bound = await send('POST', `${within}/pods/p/binding`, { metadata: { name: 'p' }, target });
  assert.equal(bound.status, 201, JSON.stringify(bound.body));
  assert.equal(bed.asked('kind.kind').length, 1, 'of the Binding, not of the pod as well');
});

/** What the server says to a client that asks for a WebSocket and is refused. */
async function upgradeRefused(target: KubeconfigTarget, path: string): Promise<unknown> {
  const { server, ca, certificate } = target;
  const url = `${server.replace('https', 'wss')}${path}`;
  const socket = new WebSocket(url, ['v5.channel.k8s.io'], { ca, ...certificate });
  socket.on('error', () => undefined);
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
  const said: unknown = JSON.parse(await text(response));
  socket.terminate();
  return said;
}
