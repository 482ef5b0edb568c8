import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ApiError } from '#api/meta/api-error.ts';
import { jsonReply } from '#apiserver/status-reply.ts';
import type { Attributes } from '#apiserver/user.ts';
import { StoreUnavailable } from '#store/store.ts';
import { at, pod, startWire } from '#test/support/wire.ts';

const PODS = '/api/v1/namespaces/default/pods';

test('authorization: every request in the terms of RBAC', async () => {
  const asked: Omit<Attributes, 'user'>[] = [];
  await using wire = await startWire({
    authorizer: async ({ verb, resource, path }) => {
      asked.push({ verb, ...(resource && { resource }), ...(path && { path }) });
      return { allowed: true, reason: '' };
    },
  });
  const check = async (request: string, expected: object): Promise<void> => {
    const [method = '', target = ''] = request.split(' ');
    asked.length = 0;
    const query = /watch=1/.test(target) ? `${target}&timeoutSeconds=1` : target;
    if (/watch=1/.test(target)) await wire.watch(query).return();
    await wire.send(method, target.replace(/[?&]watch=1.*/, ''), method === 'GET' ? undefined : {});
    assert.deepEqual(asked.at(-1), expected, request);
  };
  const pods = { group: '', version: 'v1', plural: 'pods', namespace: 'default' };
  await check(`GET ${PODS}`, { verb: 'list', resource: pods });
  await check(`GET ${PODS}/a`, { verb: 'get', resource: { ...pods, name: 'a' } });
  await check(`POST ${PODS}`, { verb: 'create', resource: pods });
  await check(`PUT ${PODS}/a/status`, {
    verb: 'update',
    resource: { ...pods, name: 'a', subresource: 'status' },
  });
  await check(`PATCH ${PODS}/a`, { verb: 'patch', resource: { ...pods, name: 'a' } });
  await check(`DELETE ${PODS}/a`, { verb: 'delete', resource: { ...pods, name: 'a' } });
  await check(`DELETE ${PODS}`, { verb: 'deletecollection', resource: pods });
  await check(`GET ${PODS}?fieldSelector=metadata.name=a`, {
    verb: 'list',
    resource: { ...pods, name: 'a', fieldSelector: 'metadata.name=a' },
  });
  await check('GET /apis/none.example/v1/things', {
    verb: 'list',
    resource: { group: 'none.example', version: 'v1', plural: 'things' },
  });
  await check('GET /healthz', { verb: 'get', path: '/healthz' });
  await check('GET /api/v1/namespaces/default', {
    verb: 'get',
    resource: {
      group: '',
      version: 'v1',
      plural: 'namespaces',
      namespace: 'default',
      name: 'default',
    },
  });
});

test('authorization: what is not allowed is Forbidden before it is looked at', async () => {
  await using wire = await startWire();
  await using closed = await startWire({
    authorizer: async () => ({ allowed: false, reason: 'because' }),
  });
  const { status, body } = await closed.send('GET', `${PODS}/a`);
  assert.equal(status, 403);
  assert.equal(
    at(body, 'message'),
    'pods "a" is forbidden: User "system:knode" cannot get resource "pods" in API group "" in the namespace "default": because',
  );
  assert.equal((await closed.send('GET', '/version')).status, 403);
  assert.equal((await wire.send('GET', `${PODS}/a`)).status, 404);
});

test('routes: come before the kinds, and their errors are Statuses', async () => {
  await using wire = await startWire({
    routes: [
      {
        matches: (method, path) => method === 'GET' && path.startsWith('/hello'),
        async handle(request) {
          if (request.target === '/hello/bad') throw new ApiError('BadRequest', 'no');
          return jsonReply({ user: request.user.name });
        },
      },
    ],
  });
  assert.deepEqual((await wire.send('GET', '/hello')).body, { user: 'system:knode' });
  assert.equal((await wire.send('GET', '/hello/bad')).status, 400);
  assert.equal((await wire.send('GET', '/other')).status, 404);
});

test('subresources: served by others, known, or not there', async () => {
  await using wire = await startWire({
    connections: [
      {
        group: '',
        plural: 'pods',
        subresource: 'log',
        methods: ['GET'],
        handle: async ({ name, namespace, query }) =>
          jsonReply([namespace, name, query.get('tailLines')]),
      },
    ],
  });
  await wire.send('POST', PODS, pod('a'));
  assert.deepEqual((await wire.send('GET', `${PODS}/a/log?tailLines=3`)).body, [
    'default',
    'a',
    '3',
  ]);
  assert.equal((await wire.send('POST', `${PODS}/a/log`, {})).status, 405);
  assert.equal((await wire.send('GET', `${PODS}/a/exec`)).status, 404);
  assert.equal((await wire.send('GET', `${PODS}/a/status`)).status, 200);
  assert.equal((await wire.send('GET', `${PODS}/a/scale`)).status, 404);
  assert.equal((await wire.send('POST', `${PODS}/a/status`, {})).status, 405);
});

test('failures: a bug or a disk that is full answers as a Status, and says no more than it should', async () => {
  await using wire = await startWire({
    admission: [
      {
        handles: (kind) => kind.kind === 'Pod',
        admit: () => Promise.reject(new TypeError('a secret detail')),
      },
      {
        handles: (kind) => kind.kind === 'ConfigMap',
        admit: () => Promise.reject(new StoreUnavailable('the disk is full')),
      },
    ],
  });
  const bug = await wire.send('POST', PODS, pod('a'));
  assert.equal(bug.status, 500);
  assert.doesNotMatch(JSON.stringify(bug.body), /secret/);
  const full = await wire.send('POST', '/api/v1/namespaces/default/configmaps', {
    metadata: { name: 'a' },
  });
  assert.equal(full.status, 503);
  assert.equal(at(full.body, 'details.retryAfterSeconds'), 1);
});

test('writers at the same time: each gets its turn or is told of the conflict', async () => {
  await using wire = await startWire();
  const target = '/api/v1/namespaces/default/configmaps/a';
  await wire.send('POST', '/api/v1/namespaces/default/configmaps', { metadata: { name: 'a' } });
  const headers = { 'content-type': 'application/merge-patch+json' };
  const replies = await Promise.all(
    Array.from({ length: 4 }, (_, index) =>
      wire.send('PATCH', target, { data: { [`key${index}`]: 'x' } }, { headers }),
    ),
  );
  assert.deepEqual(
    replies.map(({ status }) => status),
    [200, 200, 200, 200],
  );
  const { body } = await wire.send('GET', target);
  assert.equal(Object.keys(at(body, 'data') as object).length, 4);
});
