import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest } from '#test/support/cluster-under-test.ts';
import { at, type WireReply } from '#test/support/wire.ts';

type Get = (query: string, accept?: string) => Promise<WireReply>;

/** ConfigMaps a, b, c, d, which the label `made=here` tells from what the cluster itself makes in every namespace. */
async function withFour(): Promise<Get> {
  const cluster = await clusterUnderTest();
  const base = `/api/v1/namespaces/${await cluster.namespace()}/configmaps`;
  for (const name of ['a', 'b', 'c', 'd']) {
    const object = { metadata: { name, labels: { app: name, made: 'here' } } };
    assert.equal((await cluster.send('POST', base, object)).status, 201);
  }
  return (query, accept = 'application/json') =>
    cluster.send('GET', `${base}?${query}`, undefined, { headers: { accept } });
}

function namesIn({ status, body }: WireReply): string[] {
  assert.equal(status, 200, JSON.stringify(body));
  return (at(body, 'items') as object[]).map((item) => String(at(item, 'metadata.name')));
}

const MADE = 'labelSelector=made%3Dhere';

test('list: pages, each where the one before ended', async () => {
  const get = await withFour();
  const first = await get(`${MADE}&limit=3`);
  assert.deepEqual(namesIn(first), ['a', 'b', 'c']);
  const token = String(at(first.body, 'metadata.continue'));
  const second = await get(`${MADE}&limit=3&continue=${token}`);
  assert.deepEqual(namesIn(second), ['d']);
  assert.equal(at(second.body, 'metadata.continue'), undefined);
  assert.deepEqual(namesIn(await get(`${MADE}&limit=0`)), ['a', 'b', 'c', 'd']);
  assert.deepEqual(namesIn(await get(`${MADE}&limit=-1`)), ['a', 'b', 'c', 'd']);
  const count = namesIn(await get('')).length;
  assert.equal(at((await get('limit=1')).body, 'metadata.remainingItemCount'), count - 1);
  for (const wrong of ['limit=x', 'continue=nonsense']) {
    assert.equal((await get(wrong)).status, 400, wrong);
  }
  const version = String(at(first.body, 'metadata.resourceVersion'));
  const mixed = await get(`continue=${token}&resourceVersion=${version}`);
  assert.equal(mixed.status, 400);
  assert.equal(
    at(mixed.body, 'message'),
    'specifying resource version is not allowed when using continue',
  );
});

test('list: which versions may be asked for', async () => {
  const get = await withFour();
  const all = ['a', 'b', 'c', 'd'];
  const now = String(at((await get(MADE)).body, 'metadata.resourceVersion'));
  for (const query of [
    'resourceVersion=0',
    `resourceVersion=${now}`,
    'resourceVersion=0&resourceVersionMatch=NotOlderThan',
    `resourceVersion=${now}&resourceVersionMatch=NotOlderThan`,
  ]) {
    assert.deepEqual(namesIn(await get(`${MADE}&${query}`)), all, query);
  }
  const match = 'resourceVersionMatch';
  const cases: readonly [query: string, complaint: string][] = [
    [
      `${match}=Exact`,
      `${match}: Forbidden: ${match} is forbidden unless resourceVersion is provided`,
    ],
    [
      `${match}=Exact&resourceVersion=0`,
      `${match}: Forbidden: ${match} "exact" is forbidden for resourceVersion "0"`,
    ],
    [
      `${match}=Nope&resourceVersion=${now}`,
      `${match}: Unsupported value: "Nope": supported values: "Exact", "NotOlderThan", ""`,
    ],
    [
      'sendInitialEvents=true',
      'sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list',
    ],
    [
      'watch=1&sendInitialEvents=true',
      `${match}: Forbidden: sendInitialEvents requires setting ${match} to NotOlderThan`,
    ],
    [
      `watch=1&${match}=NotOlderThan`,
      `${match}: Forbidden: ${match} is forbidden for watch unless sendInitialEvents is provided`,
    ],
  ];
  for (const [query, complaint] of cases) {
    const { status, body } = await get(query);
    assert.equal(status, 422, query);
    assert.equal(at(body, 'message'), `ListOptions.meta.k8s.io "" is invalid: ${complaint}`);
    const { group, kind } = at(body, 'details') as { group: string; kind: string };
    assert.deepEqual({ group, kind }, { group: 'meta.k8s.io', kind: 'ListOptions' });
  }
  const future = await get('resourceVersion=9999999');
  assert.equal(future.status, 504);
  assert.match(
    String(at(future.body, 'message')),
    /^Timeout: Too large resource version: 9999999, current: \d+$/,
  );
  assert.equal(at(future.body, 'details.causes.0.reason'), 'ResourceVersionTooLarge');
});

test('list: label selectors', async () => {
  const get = await withFour();
  const cases: readonly [selector: string, names: string[]][] = [
    ['app in (a, b),made', ['a', 'b']],
    ['app notin (a,b),made=here', ['c', 'd']],
    ['made==here,app!=a', ['b', 'c', 'd']],
    ['made,!app', []],
    ['app>5', []],
  ];
  for (const [selector, names] of cases) {
    const reply = await get(`labelSelector=${encodeURIComponent(selector)}`);
    assert.deepEqual(namesIn(reply), names, selector);
  }
  for (const selector of [
    'a in',
    'a in (x',
    '-bad',
    'app=-bad',
    'app>x',
    'a===b',
    'a/b/c',
    'a-',
    'A/b',
    'a in (x!)',
    'a notin (x/y)',
    'a in (x y)',
  ]) {
    const { status, body } = await get(`labelSelector=${encodeURIComponent(selector)}`);
    assert.equal(status, 400, selector);
    assert.equal(at(body, 'reason'), 'BadRequest');
  }
});

test('list: field selectors', async () => {
  const get = await withFour();
  assert.deepEqual(namesIn(await get('fieldSelector=metadata.name%3Db')), ['b']);
  const others = await get(`${MADE}&fieldSelector=metadata.name!%3Db`);
  assert.deepEqual(namesIn(others), ['a', 'c', 'd']);
  const unknown = await get('fieldSelector=data.a%3D1');
  assert.equal(unknown.status, 400);
  assert.equal(
    at(unknown.body, 'message'),
    '"data.a" is not a known field selector: only "metadata.name", "metadata.namespace"',
  );
});

test('list: values of field selectors may be escaped, and must be', async () => {
  const { send, namespace } = await clusterUnderTest();
  const events = `/api/v1/namespaces/${await namespace()}/events`;
  const get = (selector: string): Promise<WireReply> =>
    send('GET', `${events}?fieldSelector=${encodeURIComponent(selector)}`);
  const involvedObject = { kind: 'Pod', namespace: events.split('/')[4], name: 'p' };
  const odd = { metadata: { name: 'odd' }, involvedObject, reason: 'a,b=\\', message: 'm' };
  assert.equal((await send('POST', events, odd)).status, 201);
  assert.deepEqual(namesIn(await get('reason=a\\,b\\=\\\\,involvedObject.kind=Pod,')), ['odd']);
  assert.deepEqual(namesIn(await get('reason!=a\\,b\\=\\\\')), []);
  for (const selector of ['reason=a=b', 'reason=a\\b', 'reason=a\\', 'reason', 'reason=a,b']) {
    assert.equal((await get(selector)).status, 400, selector);
  }
});

test('get: what is to be newer than all there is cannot be had', async () => {
  const { send, namespace } = await clusterUnderTest();
  const accounts = `/api/v1/namespaces/${await namespace()}/serviceaccounts`;
  const { status, body } = await send('GET', `${accounts}/default?resourceVersion=999999999999`);
  assert.equal(status, 504);
  assert.equal(at(body, 'details.causes.0.reason'), 'ResourceVersionTooLarge');
  assert.equal((await send('GET', `${accounts}/default?resourceVersion=1`)).status, 200);
  assert.equal((await send('GET', `${accounts}/default?resourceVersion=0`)).status, 200);
});

test('list: the fields each kind is selected by', async () => {
  const { send, namespace } = await clusterUnderTest();
  const inside = `namespaces/${await namespace()}`;
  for (const target of [
    `/api/v1/${inside}/pods?fieldSelector=status.phase=Running,spec.nodeName=,spec.restartPolicy!=Always,spec.schedulerName=x,spec.serviceAccountName=x,status.podIP=1,status.nominatedNodeName=,spec.hostNetwork=false`,
    `/api/v1/${inside}/secrets?fieldSelector=type=Opaque`,
    `/api/v1/${inside}/events?fieldSelector=involvedObject.kind=Pod,involvedObject.name=x,reason=a,type=b,source=c,reportingComponent=d,involvedObject.uid=e,involvedObject.namespace=f,involvedObject.fieldPath=,involvedObject.apiVersion=v1,involvedObject.resourceVersion=1`,
    `/api/v1/${inside}/services?fieldSelector=spec.clusterIP=None,spec.type=ClusterIP`,
    '/api/v1/namespaces?fieldSelector=status.phase=None',
    '/api/v1/nodes?fieldSelector=spec.unschedulable=true',
    `/apis/batch/v1/${inside}/jobs?fieldSelector=status.successful=3`,
  ]) {
    assert.deepEqual(namesIn(await send('GET', target)), [], target);
  }
});

test('list: fields that are absent are what Kubernetes takes them for', async () => {
  const { send, namespace } = await clusterUnderTest();
  const inside = `namespaces/${await namespace()}`;
  const spec = { containers: [{ name: 'main', image: 'sample:v1' }] };
  const job = { template: { spec: { ...spec, restartPolicy: 'Never' } }, suspend: true };
  for (const [collection, fields, body] of [
    [`/api/v1/${inside}/pods`, 'spec.hostNetwork=false,spec.nodeName=', spec],
    [`/apis/batch/v1/${inside}/jobs`, 'status.successful=0', job],
  ] as const) {
    const made = await send('POST', collection, { metadata: { name: 'a' }, spec: body });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    assert.deepEqual(namesIn(await send('GET', `${collection}?fieldSelector=${fields}`)), ['a']);
  }
});

test('representations: Table and metadata alone, by Accept', async () => {
  const get = await withFour();
  const as = (kind: string): string => `application/json;as=${kind};g=meta.k8s.io;v=v1`;
  const table = await get(`${MADE}&limit=2`, as('Table'));
  assert.equal(at(table.body, 'kind'), 'Table');
  assert.equal(at(table.body, 'apiVersion'), 'meta.k8s.io/v1');
  assert.equal((at(table.body, 'rows') as object[]).length, 2);
  assert.equal(at(table.body, 'rows.0.object.kind'), 'PartialObjectMetadata');
  assert.equal(at(table.body, 'rows.0.object.metadata.name'), 'a');
  const bare = await get(`${MADE}&includeObject=None`, as('Table'));
  assert.equal(at(bare.body, 'rows.0.object'), null);
  assert.equal((await get('includeObject=Bad', as('Table'))).status, 400);
  const metadata = await get(MADE, as('PartialObjectMetadataList'));
  assert.equal(at(metadata.body, 'kind'), 'PartialObjectMetadataList');
  assert.deepEqual(namesIn(metadata), ['a', 'b', 'c', 'd']);
  assert.equal(at(metadata.body, 'items.0.data'), undefined);
  for (const accept of ['text/html', as('Nope')]) {
    assert.equal((await get('', accept)).status, 406, accept);
  }
  for (const accept of ['text/html,application/json;q=0.5', 'application/xml, */*']) {
    assert.equal((await get('', accept)).status, 200, accept);
  }
  const fallback = await get('', `${as('Nope')},application/json`);
  assert.equal(at(fallback.body, 'kind'), 'ConfigMapList');
});

test('methods: what is not for a path is not allowed there', async () => {
  const { send, namespace } = await clusterUnderTest();
  const inside = `/api/v1/namespaces/${await namespace()}`;
  for (const [method, target] of [
    ['PUT', `${inside}/configmaps`],
    ['PATCH', `${inside}/configmaps`],
    ['POST', `${inside}/configmaps/a`],
    ['POST', '/api/v1/configmaps'],
    ['DELETE', '/api/v1/configmaps'],
    ['DELETE', '/api/v1/namespaces'],
  ] as const) {
    const { status, body } = await send(method, target, method === 'DELETE' ? undefined : {});
    assert.equal(status, 405, `${method} ${target}`);
    assert.equal(at(body, 'reason'), 'MethodNotAllowed');
    assert.equal(
      at(body, 'message'),
      'the server does not allow this method on the requested resource',
    );
  }
  for (const target of [
    `${inside}/nope`,
    `${inside}/configmaps/a/status`,
    `${inside}/pods/a/status/more`,
    '/api/v1/configmaps/a',
  ]) {
    assert.equal((await send('GET', target)).status, 404, target);
  }
});
