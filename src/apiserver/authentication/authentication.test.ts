import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLocalJWKSet, jwtVerify, SignJWT } from 'jose';
import { FakeClock } from '#base/fake-clock.ts';
import type { HttpRequest } from '#base/http-message.ts';
import { seededRandom } from '#base/random.ts';
import { hasReason } from '#api/meta/api-error.ts';
import type { ApiServerOptions } from '#apiserver/api-server.ts';
import { authenticator } from '#apiserver/authentication/authenticator.ts';
import { withImpersonation } from '#apiserver/authentication/impersonation.ts';
import { oidcRoutes } from '#apiserver/authentication/oidc-routes.ts';
import {
  serviceAccountTokens,
  type BoundLookup,
} from '#apiserver/authentication/service-account-tokens.ts';
import { tokenKeys } from '#apiserver/authentication/token-key.ts';
import { tokenRequest } from '#apiserver/authentication/token-request.ts';
import { tokenRoutes } from '#apiserver/authentication/token-routes.ts';
import { RbacObjects } from '#apiserver/authorization/rbac-objects.ts';
import { rbacAuthorizer } from '#apiserver/authorization/rbac.ts';
import { makeKey } from '#base/x509/certificate.ts';
import type { User } from '#apiserver/user.ts';
import { startWire } from '#test/support/wire.ts';

const ISSUER = 'https://kubernetes.default.svc.cluster.local';
const masters: User = { name: 'root', groups: ['system:masters', 'system:authenticated'] };

/** The authentication of a server whose objects are the `uids` map: `Kind/namespace/name` to uid. */
function setUp(pem = makeKey()) {
  const uids = new Map([['ServiceAccount/default/robot', 'u1']]);
  const clock = new FakeClock();
  const keys = tokenKeys(pem);
  const audiences = [ISSUER] as const;
  const lookup: BoundLookup = async ({ kind, namespace, name }) => {
    const uid = uids.get(`${kind}/${namespace}/${name}`);
    return uid === undefined ? undefined : { uid };
  };
  const random = seededRandom(1);
  const tokens = serviceAccountTokens({ keys, issuer: ISSUER, audiences, lookup, clock, random });
  const routes = [
    ...tokenRoutes({ tokens, clock }),
    ...oidcRoutes({ keys, issuer: ISSUER, serverUrl: 'https://10.0.0.1:6443' }),
  ];
  const served = { routes, connections: [tokenRequest({ tokens, lookup, audiences, clock })] };
  return { uids, clock, keys, tokens, served, authenticate: authenticator(tokens) };
}

function request(headers: Record<string, string>): HttpRequest {
  return { method: 'GET', target: '/', headers, signal: AbortSignal.timeout(5000) };
}

type Served = Pick<ApiServerOptions, 'routes' | 'connections'>;

async function call(
  served: Served,
  target: string,
  { body, user = masters }: { body?: unknown; user?: User } = {},
): Promise<{ status: number; body: Record<string, unknown> }> {
  await using wire = await startWire(served);
  const method = body === undefined ? 'GET' : 'POST';
  const reply = await wire.send(method, target, body, { user });
  return { status: reply.status, body: reply.body as Record<string, unknown> };
}

const TOKEN_PATH = '/api/v1/namespaces/default/serviceaccounts/robot/token';

async function requestToken(served: Served, spec: object = {}): Promise<string> {
  const { status, body } = await call(served, TOKEN_PATH, { body: { spec } });
  assert.equal(status, 201);
  const { token } = body['status'] as { token: string };
  return token;
}

test('authentication: a client certificate is a user and its groups', async () => {
  const { authenticate } = setUp();
  const certificate = { commonName: 'knode-admin', organizations: ['system:masters'] };
  assert.deepEqual(await authenticate(request({}), certificate), {
    name: 'knode-admin',
    groups: ['system:masters', 'system:authenticated'],
  });
});

test('authentication: who shows nothing is anonymous, who shows a bad token is refused', async () => {
  const { authenticate } = setUp();
  assert.deepEqual(await authenticate(request({}), undefined), {
    name: 'system:anonymous',
    groups: ['system:unauthenticated'],
  });
  for (const token of ['bad', 'a.b.c', 'x'.repeat(20_000)]) {
    const headers = { authorization: `Bearer ${token}` };
    assert.equal(await authenticate(request(headers), undefined), undefined);
  }
});

test('token: says which service account a program is', async () => {
  const { authenticate, served } = setUp();
  const token = await requestToken(served);
  const user = await authenticate(request({ authorization: `bearer ${token}` }), undefined);
  assert.equal(user?.name, 'system:serviceaccount:default:robot');
  assert.equal(user.uid, 'u1');
  assert.deepEqual(user.groups, [
    'system:serviceaccounts',
    'system:serviceaccounts:default',
    'system:authenticated',
  ]);
});

test('token: dies with its time, its account, its pod, and when another account takes the name', async () => {
  const { tokens, served, clock, uids } = setUp();
  uids.set('Pod/default/p', 'p1');
  const bound = await requestToken(served, {
    boundObjectRef: { kind: 'Pod', apiVersion: 'v1', name: 'p' },
    expirationSeconds: 7200,
  });
  const plain = await requestToken(served);
  const found = await tokens.verify(bound);
  assert.deepEqual(found?.user.extra?.['authentication.kubernetes.io/pod-name'], ['p']);
  uids.delete('Pod/default/p');
  assert.equal(await tokens.verify(bound), undefined);
  uids.set('Pod/default/p', 'p2');
  assert.equal(await tokens.verify(bound), undefined);
  assert.ok(await tokens.verify(plain));
  clock.advance(3_599_000);
  assert.ok(await tokens.verify(plain));
  clock.advance(2000);
  assert.equal(await tokens.verify(plain), undefined);
  const fresh = await requestToken(served);
  uids.set('ServiceAccount/default/robot', 'u2');
  assert.equal(await tokens.verify(fresh), undefined);
  uids.delete('ServiceAccount/default/robot');
  assert.equal(await tokens.verify(fresh), undefined);
});

test('token: what an older key has signed still counts, until that key is taken away', async () => {
  const old = makeKey();
  const before = setUp(old);
  const token = await requestToken(before.served);
  const after = setUp(`${makeKey()}\n${old}`);
  assert.ok(await after.tokens.verify(token));
  const fresh = await requestToken(after.served);
  assert.ok(await after.tokens.verify(fresh));
  assert.equal(await before.tokens.verify(fresh), undefined);
  const { body } = await call(after.served, '/openid/v1/jwks');
  assert.deepEqual(
    (body['keys'] as { kid: string }[]).map(({ kid }) => kid),
    after.keys.map(({ id }) => id),
  );
  assert.equal(await setUp(makeKey()).tokens.verify(token), undefined);
});

test('token: one bound to a node dies with it; the one every pod gets lives on, and says when it should not', async () => {
  const { tokens, served, clock, uids } = setUp();
  uids.set('Node/default/n', 'n1').set('Pod/default/p', 'p1');
  const reference = (kind: string, name: string): object => ({ kind, apiVersion: 'v1', name });
  const onNode = await requestToken(served, { boundObjectRef: reference('Node', 'n') });
  const found = await tokens.verify(onNode);
  assert.deepEqual(found?.user.extra?.['authentication.kubernetes.io/node-uid'], ['n1']);
  uids.set('Node/default/n', 'n2');
  assert.equal(await tokens.verify(onNode), undefined);
  const ofPod = await requestToken(served, {
    boundObjectRef: reference('Pod', 'p'),
    expirationSeconds: 3607,
  });
  const elsewhere = await requestToken(served, {
    boundObjectRef: reference('Pod', 'p'),
    expirationSeconds: 3607,
    audiences: ['vault'],
  });
  clock.advance(364 * 24 * 3_600_000);
  assert.ok(await tokens.verify(ofPod));
  assert.equal(await tokens.verify(elsewhere, ['vault']), undefined);
});

test('token: forged ones are refused', async () => {
  const { tokens, served, keys } = setUp();
  const token = await requestToken(served);
  const [header = '', payload = '', signature = ''] = token.split('.');
  const text = Buffer.from(payload, 'base64url').toString().replace('robot', 'admin');
  const none = Buffer.from('{"alg":"none"}').toString('base64url');
  const claims = { 'kubernetes.io': { namespace: 'default', serviceaccount: { name: 'robot' } } };
  const withoutUid = await new SignJWT(claims)
    .setProtectedHeader({ alg: 'ES256' })
    .setIssuer(ISSUER)
    .setAudience(ISSUER)
    .setSubject('system:serviceaccount:default:robot')
    .setExpirationTime('10y')
    .sign(keys[0].privateKey);
  for (const forged of [
    `${header}.${Buffer.from(text).toString('base64url')}.${signature}`,
    `${none}.${payload}.`,
    `${header}.${payload}.`,
    withoutUid,
  ]) {
    assert.equal(await tokens.verify(forged), undefined, forged);
  }
});

test('token: one for another audience opens nothing here, but a review by that audience knows it', async () => {
  const { tokens, served } = setUp();
  const token = await requestToken(served, { audiences: ['vault'] });
  assert.equal(await tokens.verify(token), undefined);
  const review = async (spec: object) =>
    (await call(served, '/apis/authentication.k8s.io/v1/tokenreviews', { body: { spec } })).body;
  assert.deepEqual((await review({ token }))['status'], {
    user: {},
    error: 'invalid bearer token',
  });
  const status = (await review({ token, audiences: ['vault', 'other'] }))['status'] as {
    authenticated: boolean;
    audiences: string[];
  };
  assert.equal(status.authenticated, true);
  assert.deepEqual(status.audiences, ['vault']);
});

test('token request: what cannot be issued is refused in Kubernetes words', async () => {
  const { served } = setUp();
  const refused = async (target: string, body: unknown): Promise<string> => {
    const reply = await call(served, target, { body });
    return reply.status < 400 ? 'not refused' : String(reply.body['message']);
  };
  assert.equal(
    await refused(TOKEN_PATH, { spec: { expirationSeconds: 5 } }),
    'TokenRequest.authentication.k8s.io "" is invalid: spec.expirationSeconds: Invalid value: 5: may not specify a duration less than 10 minutes',
  );
  // As Go clients send it, whose times are null and not absent.
  const status = { token: '', expirationTimestamp: null };
  assert.equal(
    await refused('/api/v1/namespaces/default/serviceaccounts/nope/token', { status }),
    'serviceaccounts "nope" not found',
  );
  const boundObjectRef = { kind: 'Pod', apiVersion: 'v1', name: 'nope' };
  assert.equal(await refused(TOKEN_PATH, { spec: { boundObjectRef } }), 'pods "nope" not found');
  assert.match(await refused(TOKEN_PATH, { kind: 'Pod' }), /the kind "Pod": TokenRequest was/);
  assert.match(await refused(TOKEN_PATH, { spec: { audiences: 'x' } }), /spec.audiences/);
  assert.match(await refused(TOKEN_PATH, []), /no object/);
});

test('whoami: tells the user as the server sees it', async () => {
  const { served } = setUp();
  const target = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
  const user = { name: 'joe', groups: ['system:authenticated'], extra: { a: ['b'] } };
  const { body } = await call(served, target, { body: {}, user });
  assert.deepEqual(body['status'], {
    userInfo: { username: 'joe', groups: ['system:authenticated'], extra: { a: ['b'] } },
  });
});

test('oidc: a stranger verifies a token with what the server publishes', async () => {
  const { served, clock } = setUp();
  const token = await requestToken(served);
  const { body: configuration } = await call(served, '/.well-known/openid-configuration');
  assert.equal(configuration['issuer'], ISSUER);
  assert.equal(configuration['jwks_uri'], 'https://10.0.0.1:6443/openid/v1/jwks');
  const { body: keys } = await call(served, '/openid/v1/jwks');
  const keySet = createLocalJWKSet({ keys: keys['keys'] as [] });
  const { payload } = await jwtVerify(token, keySet, { issuer: ISSUER, currentDate: clock.now() });
  assert.equal(payload.sub, 'system:serviceaccount:default:robot');
});

test('impersonation: only who may, and then with that user’s groups', async () => {
  const { authenticate } = setUp();
  const impersonate = withImpersonation(authenticate, rbacAuthorizer(new RbacObjects()));
  const admin = { commonName: 'root', organizations: ['system:masters'] };
  const headers = {
    'impersonate-user': 'bob',
    'impersonate-group': 'g1, g2',
    'impersonate-extra-foo': 'x',
  };
  assert.deepEqual(await impersonate(request(headers), admin), {
    name: 'bob',
    groups: ['g1', 'g2', 'system:authenticated'],
    extra: { foo: ['x'] },
  });
  const account = { 'impersonate-user': 'system:serviceaccount:default:s1' };
  assert.deepEqual((await impersonate(request(account), admin))?.groups, [
    'system:serviceaccounts',
    'system:serviceaccounts:default',
    'system:authenticated',
  ]);
  await assert.rejects(
    impersonate(request(headers), { commonName: 'joe', organizations: [] }),
    (error: Error) =>
      hasReason(error, 'Forbidden') &&
      error.message ===
        'users "bob" is forbidden: User "joe" cannot impersonate resource "users" in API group "" at the cluster scope',
  );
  await assert.rejects(impersonate(request({ 'impersonate-group': 'g' }), admin), /without/);
});
