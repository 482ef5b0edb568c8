import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest, uniqueName } from '#test/support/cluster-under-test.ts';
import { made, until } from '#test/support/observe.ts';
import { at, type WireClient, type WireReply } from '#test/support/wire.ts';

const ISSUER = 'https://kubernetes.default.svc.cluster.local';
const WHO = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
const REVIEW = '/apis/authentication.k8s.io/v1/tokenreviews';

interface Account {
  readonly namespace: string;
  readonly uid: string;
  /** POSTs a TokenRequest for `robot`. */
  readonly request: (spec: object, metadata?: object) => Promise<WireReply>;
}

async function makeAccount(
  cluster: WireClient & { namespace(): Promise<string> },
): Promise<Account> {
  const namespace = await cluster.namespace();
  const accounts = `/api/v1/namespaces/${namespace}/serviceaccounts`;
  const { body } = await cluster.send('POST', accounts, { metadata: { name: 'robot' } });
  return {
    namespace,
    uid: String(at(body, 'metadata.uid')),
    request: (spec, metadata = {}) =>
      cluster.send('POST', `${accounts}/robot/token`, { metadata, spec }),
  };
}

function claimsOf({ status, body }: WireReply): unknown {
  assert.equal(status, 201, JSON.stringify(body));
  const [, payload = ''] = String(at(body, 'status.token')).split('.');
  return JSON.parse(Buffer.from(payload, 'base64url').toString('utf8')) as unknown;
}

test('token request: what a token says, and when it ends', async () => {
  const cluster = await clusterUnderTest();
  const { namespace, uid, request } = await makeAccount(cluster);
  const plain = await request({});
  const claims = claimsOf(plain);
  assert.deepEqual(at(claims, 'aud'), [ISSUER]);
  assert.equal(at(claims, 'iss'), ISSUER);
  assert.equal(at(claims, 'sub'), `system:serviceaccount:${namespace}:robot`);
  assert.deepEqual((claims as Record<string, unknown>)['kubernetes.io'], {
    namespace,
    serviceaccount: { name: 'robot', uid },
  });
  assert.equal(Number(at(claims, 'exp')) - Number(at(claims, 'iat')), 3600);
  assert.equal(at(plain.body, 'spec.expirationSeconds'), 3600);
  assert.deepEqual(at(plain.body, 'spec.audiences'), [ISSUER]);
  const other = claimsOf(await request({ audiences: ['vault', 'x'], expirationSeconds: 7200 }));
  assert.deepEqual(at(other, 'aud'), ['vault', 'x']);
  assert.equal(Number(at(other, 'exp')) - Number(at(other, 'iat')), 7200);
});

test('token request: one bound to a pod says so, knows its node, and the usual one lives longer than it says', async () => {
  const cluster = await clusterUnderTest();
  const { namespace, uid, request } = await makeAccount(cluster);
  const node = uniqueName('node');
  const madeNode = await cluster.send('POST', '/api/v1/nodes', { metadata: { name: node } });
  const pods = `/api/v1/namespaces/${namespace}/pods`;
  const containers = [{ name: 'c', image: 'i' }];
  const made = await cluster.send('POST', pods, {
    metadata: { name: 'p' },
    spec: { serviceAccountName: 'robot', nodeName: node, containers },
  });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const podUid = at(made.body, 'metadata.uid');
  const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: 'p' };
  const reply = await request({ boundObjectRef, expirationSeconds: 3607 });
  const claims = claimsOf(reply) as Record<string, unknown>;
  const issued = Number(claims['iat']);
  assert.deepEqual(claims['kubernetes.io'], {
    namespace,
    node: { name: node, uid: at(madeNode.body, 'metadata.uid') },
    pod: { name: 'p', uid: podUid },
    serviceaccount: { name: 'robot', uid },
    warnafter: issued + 3607,
  });
  assert.equal(Number(claims['exp']) - issued, 365 * 24 * 3600);
  const ends = Date.parse(String(at(reply.body, 'status.expirationTimestamp'))) / 1000;
  assert.equal(ends, issued + 3607);

  const token = String(at(reply.body, 'status.token'));
  const who = await cluster.as(token).send('POST', WHO, {});
  assert.deepEqual(Object.keys(at(who.body, 'status.userInfo.extra') as object).toSorted(), [
    'authentication.kubernetes.io/credential-id',
    'authentication.kubernetes.io/node-name',
    'authentication.kubernetes.io/node-uid',
    'authentication.kubernetes.io/pod-name',
    'authentication.kubernetes.io/pod-uid',
  ]);

  const unused = await Promise.all(
    Array.from({ length: 20 }, async () => await request({ boundObjectRef })),
  );
  await cluster.send('DELETE', `${pods}/p`, { gracePeriodSeconds: 0 });
  // Kubernetes' own server hears of it a moment later, and remembers for some seconds whom it has seen.
  let status = 0;
  for (const { body } of unused) {
    const dead = await cluster.as(String(at(body, 'status.token'))).send('POST', WHO, {});
    ({ status } = dead);
    if (status === 401) break;
  }
  assert.equal(status, 401);
  await cluster.send('DELETE', `/api/v1/nodes/${node}`);
});

test('token request: what is not issued, and why', async () => {
  const cluster = await clusterUnderTest();
  const { namespace, request } = await makeAccount(cluster);
  await cluster.send('POST', `/api/v1/namespaces/${namespace}/pods`, {
    metadata: { name: 'other' },
    spec: { containers: [{ name: 'c', image: 'i' }] },
  });
  const secret = await cluster.send('POST', `/api/v1/namespaces/${namespace}/secrets`, {
    metadata: { name: 's' },
  });
  const refusal = async (spec: object, metadata = {}): Promise<[number, unknown]> => {
    const { status, body } = await request(spec, metadata);
    return [status, at(body, 'message')];
  };
  const bound = (kind: string, name: string, more = {}): object => ({
    boundObjectRef: { kind, apiVersion: 'v1', name, ...more },
  });
  assert.deepEqual(await refusal({ expirationSeconds: 599 }), [
    422,
    'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 599: may not specify a duration less than 10 minutes',
  ]);
  assert.deepEqual(await refusal(bound('Pod', 'nope')), [404, 'pods "nope" not found']);
  assert.deepEqual(await refusal(bound('Secret', 'nope')), [404, 'secrets "nope" not found']);
  assert.deepEqual(await refusal(bound('Node', 'nope')), [404, 'nodes "nope" not found']);
  assert.deepEqual(await refusal(bound('ConfigMap', 'x')), [
    400,
    'cannot bind token to object of type /v1, Kind=ConfigMap',
  ]);
  assert.deepEqual(await refusal(bound('Pod', 'other')), [
    400,
    'cannot bind token for serviceaccount "robot" to pod running with different serviceaccount name.',
  ]);
  assert.equal(secret.status, 201);
  assert.deepEqual(await refusal(bound('Secret', 's', { uid: 'wrong' })), [
    409,
    'Operation cannot be fulfilled on Secret "s": the UID in the bound object reference (wrong) does not match the UID in record. The object might have been deleted and then recreated',
  ]);
  assert.deepEqual(await refusal({}, { name: 'another' }), [
    422,
    `TokenRequest.authentication.k8s.io "robot" is invalid: metadata.name: Invalid value: "another": must match the service account name if specified`,
  ]);
});

test('token review: knows a token, its audiences, and one that is none', async () => {
  const cluster = await clusterUnderTest();
  const { namespace, uid, request } = await makeAccount(cluster);
  const issued = await request({ audiences: ['vault', 'x'] });
  const token = String(at(issued.body, 'status.token'));
  const review = async (spec: object): Promise<unknown> =>
    at((await cluster.send('POST', REVIEW, { spec })).body, 'status');
  const known = await review({ token, audiences: ['vault', 'y'] });
  assert.equal(at(known, 'authenticated'), true);
  assert.deepEqual(at(known, 'audiences'), ['vault']);
  assert.equal(at(known, 'user.username'), `system:serviceaccount:${namespace}:robot`);
  assert.equal(at(known, 'user.uid'), uid);
  assert.deepEqual(at(known, 'user.groups'), [
    'system:serviceaccounts',
    `system:serviceaccounts:${namespace}`,
    'system:authenticated',
  ]);
  assert.notEqual(at(await review({ token }), 'authenticated'), true);
  assert.notEqual(at(await review({ token: 'nonsense' }), 'authenticated'), true);
  assert.equal((await cluster.as(token).send('POST', WHO, {})).status, 401);
  assert.equal((await cluster.as('nonsense').send('GET', '/api')).status, 401);
});

test('oidc: strangers with an account find the issuer and the keys', async () => {
  const cluster = await clusterUnderTest();
  const { request } = await makeAccount(cluster);
  const token = String(at((await request({})).body, 'status.token'));
  const client = cluster.as(token);
  const configuration = await client.send('GET', '/.well-known/openid-configuration');
  assert.equal(configuration.status, 200);
  assert.equal(at(configuration.body, 'issuer'), ISSUER);
  assert.deepEqual(at(configuration.body, 'response_types_supported'), ['id_token']);
  assert.deepEqual(at(configuration.body, 'subject_types_supported'), ['public']);
  const keys = await client.send('GET', '/openid/v1/jwks');
  assert.equal(keys.headers['content-type'], 'application/jwk-set+json');
  const [header = ''] = token.split('.');
  const { kid } = JSON.parse(Buffer.from(header, 'base64url').toString()) as { kid: string };
  const known = at(keys.body, 'keys') as { kid: string; alg: string }[];
  assert.ok(known.some((key) => key.kid === kid));
  assert.equal((await cluster.as(undefined).send('GET', '/openid/v1/jwks')).status, 403);
});

test('token secrets: are filled for the account they name, and go with it', async () => {
  const cluster = await clusterUnderTest();
  const namespace = await cluster.namespace();
  const within = `/api/v1/namespaces/${namespace}`;
  const account = await made(cluster, `${within}/serviceaccounts`, { metadata: { name: 'robot' } });
  const annotations = { 'kubernetes.io/service-account.name': 'robot' };
  const type = 'kubernetes.io/service-account-token';
  for (const name of ['key', 'unused'])
    await made(cluster, `${within}/secrets`, { metadata: { name, annotations }, type });
  const isFilled = (found: unknown): boolean => !!at(found, 'data.token');
  const filled = await until(cluster, `${within}/secrets/key`, isFilled);
  const unused = `${within}/secrets/unused`;
  await until(cluster, unused, isFilled);
  const marks = at(filled, 'metadata.annotations') as Record<string, string>;
  assert.equal(marks['kubernetes.io/service-account.uid'], at(account, 'metadata.uid'));
  const data = at(filled, 'data') as Record<string, string>;
  const textOf = (key: string): string => Buffer.from(data[key] ?? '', 'base64').toString();
  assert.equal(textOf('namespace'), namespace);
  assert.match(textOf('ca.crt'), /^-----BEGIN CERTIFICATE-----/);
  const robot = cluster.as(textOf('token'));
  const whoami = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const { body } = await robot.send('POST', whoami, {});
  assert.equal(at(body, 'status.userInfo.username'), `system:serviceaccount:${namespace}:robot`);
  await cluster.send('DELETE', `${within}/serviceaccounts/robot`);
  // Kubernetes deletes a Secret only as it knew it, and forgets one that it knew late, until that changes again.
  let isGone = false;
  if (cluster.isReal) {
    const headers = { 'content-type': 'application/merge-patch+json' };
    const looked = { metadata: { labels: { looked: 'again' } } };
    isGone = (await cluster.send('PATCH', unused, looked, { headers })).status === 404;
  }
  if (!isGone) await until(cluster, unused, (found) => found === undefined);
});
