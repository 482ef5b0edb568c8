import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { coreKinds } from '#api/kinds.ts';
import { fixedKinds } from '#api/served-kinds.ts';
import { webhookConverter } from '#apiserver/custom-resources/webhook-conversion.ts';
import { createApiServer } from '#apiserver/api-server.ts';
import { webhookAdmission } from '#apiserver/webhooks/webhook-admission.ts';
import { webhookCaller } from '#apiserver/webhooks/webhook-call.ts';
import { openMemoryStore } from '#store/memory/memory-store.ts';
import {
  patchResponse,
  startWebhookServer,
  type WebhookServer,
} from '#test/support/webhook-server.ts';
import { at, wireOf, type Wire } from '#test/support/wire.ts';

const CONFIGS = '/apis/admissionregistration.k8s.io/v1';
/** Where the platform listens, as far as webhooks are told. */
const OWN_PORT = 6443;
const MAPS = '/api/v1/namespaces/default/configmaps';

interface Bed extends WebhookServer {
  readonly wire: Wire;
  readonly clock: FakeClock;
}

/** An API server with webhooks, and an HTTPS server on loopback that is all of them. */
async function startBed(): Promise<Bed> {
  const clock = new FakeClock();
  const hooks = await startWebhookServer();
  const { port } = hooks;
  const store = await openMemoryStore();
  const stop = new AbortController();
  const random = seededRandom(7);
  const log = silentLog;
  const { signal } = stop;
  const caller = webhookCaller({
    clock,
    ownPorts: new Set([OWN_PORT]),
    resolve: async ({ name }) => (name === 'hook' ? { host: '127.0.0.1', port } : undefined),
  });
  const convert = webhookConverter({ caller, random, signal });
  const kinds = fixedKinds(coreKinds);
  const admission = [webhookAdmission({ store, kinds, convert, caller, random, log, signal })];
  const api = createApiServer({ store, kinds: coreKinds, clock, random, log, admission });
  const wire = await wireOf(api, { store, clock });
  return {
    ...hooks,
    wire,
    clock,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await caller[Symbol.asyncDispose]();
      await hooks[Symbol.asyncDispose]();
      await wire[Symbol.asyncDispose]();
    },
  };
}

interface Configuration {
  readonly name?: string;
  readonly kind?: 'Mutating' | 'Validating';
  readonly path?: string;
}

async function configure(bed: Bed, changes: object, about: Configuration = {}): Promise<void> {
  const { name = 'x.ex.com', kind = 'Validating', path = '/check' } = about;
  const rule = {
    operations: ['*'],
    apiGroups: [''],
    apiVersions: ['v1'],
    resources: ['configmaps'],
  };
  const webhook = {
    name,
    clientConfig: { url: `${bed.url}${path}`, caBundle: bed.caBundle },
    rules: [rule],
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    ...changes,
  };
  const { status, body } = await bed.wire.send(
    'POST',
    `${CONFIGS}/${kind.toLowerCase()}webhookconfigurations`,
    { metadata: { name }, webhooks: [webhook] },
  );
  assert.equal(status, 201, String(at(body, 'message')));
}

function map(name: string, labels: object = { from: 'test' }): object {
  return { metadata: { name, labels }, data: { a: 'b' } };
}

test('validating: is asked with a whole review, and its refusal is told in Kubernetes’ words', async () => {
  await using bed = await startBed();
  await configure(bed, {});
  bed.answers.set('/check', () => ({ warnings: ['look out'] }));
  const made = await bed.wire.send('POST', MAPS, map('a'));
  assert.equal(made.status, 201);
  assert.equal(made.headers['warning'], '299 - "look out"');
  const { review } = bed.asked[0] ?? {};
  assert.equal(at(review, 'request.operation'), 'CREATE');
  assert.deepEqual(at(review, 'request.resource'), {
    group: '',
    version: 'v1',
    resource: 'configmaps',
  });
  assert.equal(at(review, 'request.userInfo.username'), 'system:knode');
  assert.equal(at(review, 'request.object.data.a'), 'b');
  assert.equal(at(review, 'request.dryRun'), false);
  bed.answers.set('/check', () => ({
    allowed: false,
    status: { message: 'not today', code: 403 },
  }));
  const refused = await bed.wire.send('POST', `${MAPS}?dryRun=All`, map('b'));
  assert.equal(refused.status, 403);
  const text = 'admission webhook "x.ex.com" denied the request';
  assert.equal(at(refused.body, 'message'), `${text}: not today`);
  assert.equal(at(bed.asked[1]?.review, 'request.dryRun'), true);
  bed.answers.set('/check', () => ({ allowed: false }));
  const deletion = await bed.wire.send('DELETE', `${MAPS}/a`);
  assert.equal(at(deletion.body, 'message'), `${text} without explanation`);
  assert.equal(at(bed.asked[2]?.review, 'request.oldObject.metadata.name'), 'a');
  assert.equal((await bed.wire.send('GET', `${MAPS}/a`)).status, 200);
});

test('mutating: patches in order, and is asked again where it wants to be', async () => {
  await using bed = await startBed();
  const label = (name: string): object => ({
    op: 'add',
    path: `/metadata/labels/${name}`,
    value: 'x',
  });
  await configure(
    bed,
    { reinvocationPolicy: 'IfNeeded' },
    { name: 'a.ex.com', kind: 'Mutating', path: '/a' },
  );
  await configure(bed, {}, { name: 'b.ex.com', kind: 'Mutating', path: '/b' });
  bed.answers.set('/a', () => patchResponse(label('a')));
  bed.answers.set('/b', () => patchResponse(label('b'), { op: 'add', path: '/zzz', value: 1 }));
  const { body } = await bed.wire.send('POST', MAPS, map('m', { own: 'y' }));
  assert.deepEqual(at(body, 'metadata.labels'), { own: 'y', a: 'x', b: 'x' });
  assert.equal(at(body, 'zzz'), undefined);
  assert.deepEqual(
    bed.asked.map(({ path }) => path),
    ['/a', '/b', '/a'],
  );
  bed.answers.set('/b', () => patchResponse({ op: 'add', path: '/data/n', value: 5 }));
  const wrong = await bed.wire.send('POST', MAPS, map('n'));
  assert.equal(wrong.status, 422);
});

test('meant: rules, selectors and conditions choose what is asked', async () => {
  await using bed = await startBed();
  bed.answers.set('/check', () => ({ allowed: false }));
  await configure(bed, {
    objectSelector: { matchLabels: { checked: 'yes' } },
    namespaceSelector: { matchExpressions: [{ key: 'free', operator: 'DoesNotExist' }] },
    matchConditions: [
      { name: 'not-b', expression: "object.metadata.name != 'b'" },
      { name: 'no-deletion', expression: "request.operation == 'CREATE'" },
    ],
  });
  await bed.wire.send('POST', '/api/v1/namespaces', {
    metadata: { name: 'free', labels: { free: '' } },
  });
  const create = async (name: string, labels: object, target = MAPS): Promise<number> =>
    (await bed.wire.send('POST', target, map(name, labels))).status;
  assert.equal(await create('a', {}), 201);
  assert.equal(await create('b', { checked: 'yes' }), 201);
  assert.equal(await create('c', { checked: 'yes' }), 400);
  assert.equal(await create('c', { checked: 'yes' }, MAPS.replace('default', 'free')), 201);
  const secret = await bed.wire.send('POST', MAPS.replace('configmaps', 'secrets'), {
    metadata: { name: 's', labels: { checked: 'yes' } },
  });
  assert.equal(secret.status, 201);
  assert.equal(bed.asked.length, 1);
});

test('failures: are told, or passed over, as the policy says', async () => {
  await using bed = await startBed();
  await configure(bed, { timeoutSeconds: 3 }, { path: '/slow' });
  const heard = bed.next();
  const pending = bed.wire.send('POST', MAPS, map('a'));
  await heard;
  bed.clock.advance(3_000);
  const late = await pending;
  assert.equal(late.status, 500);
  const failed = 'Internal error occurred: failed calling webhook "x.ex.com": ';
  assert.equal(
    at(late.body, 'message'),
    `${failed}failed to call webhook: Post "${bed.url}/slow?timeout=3s": context deadline exceeded`,
  );
  bed.answers.set('/slow', () => 'no json');
  const garbled = await bed.wire.send('POST', MAPS, map('a'));
  assert.ok(String(at(garbled.body, 'message')).startsWith(failed));
  bed.answers.set('/slow', () => ' '.repeat(3 * 1024 * 1024 + 1));
  const long = await bed.wire.send('POST', MAPS, map('a'));
  assert.match(String(at(long.body, 'message')), /the answer is longer than 3145728 bytes$/);
  bed.answers.set('/slow', () => ({ uid: 'other' }));
  const other = await bed.wire.send('POST', MAPS, map('a'));
  assert.match(String(at(other.body, 'message')), /expected response.uid="[^"]+", got "other"$/);
  const target = `${CONFIGS}/validatingwebhookconfigurations/x.ex.com`;
  const ignore = [{ op: 'replace', path: '/webhooks/0/failurePolicy', value: 'Ignore' }];
  const json = { headers: { 'content-type': 'application/json-patch+json' } };
  assert.equal((await bed.wire.send('PATCH', target, ignore, json)).status, 200);
  assert.equal((await bed.wire.send('POST', MAPS, map('a'))).status, 201);
});

test('addresses: a Service by the resolver, never one of the link', async () => {
  await using bed = await startBed();
  const service = { name: 'hook', namespace: 'default', path: '/check' };
  const clientConfig = { service, caBundle: bed.caBundle };
  await configure(bed, { clientConfig });
  bed.answers.set('/check', () => ({}));
  assert.equal((await bed.wire.send('POST', MAPS, map('a'))).status, 201);
  assert.equal(bed.asked.length, 1);
  const metadata = { clientConfig: { url: 'https://169.254.169.254/latest' } };
  await configure(bed, metadata, { name: 'y.ex.com' });
  const { body } = await bed.wire.send('POST', MAPS, map('b'));
  assert.match(
    String(at(body, 'message')),
    /^Internal error occurred: failed calling webhook "y.ex.com": .*link-local and reserved addresses are not called$/,
  );
});

test('addresses: the platform’s own listeners are not called, by whatever name', async () => {
  await using bed = await startBed();
  for (const [index, host] of ['localhost', '127.0.0.1', '2130706433', '[::1]'].entries()) {
    const name = `own${index}.ex.com`;
    const clientConfig = { url: `https://${host}:${OWN_PORT}/api` };
    await configure(bed, { clientConfig }, { name });
    const made = await bed.wire.send('POST', MAPS, map('a'));
    assert.match(
      String(at(made.body, 'message')),
      /listeners of the platform itself are not called/,
    );
    await bed.wire.send('DELETE', `${CONFIGS}/validatingwebhookconfigurations/${name}`);
  }
});

test('configurations: what Kubernetes refuses', async () => {
  await using bed = await startBed();
  const check = async (changes: object, expected: string): Promise<void> => {
    const webhook = {
      name: 'x.ex.com',
      clientConfig: { url: 'https://x/' },
      sideEffects: 'None',
      admissionReviewVersions: ['v1'],
      ...changes,
    };
    const { body } = await bed.wire.send('POST', `${CONFIGS}/validatingwebhookconfigurations`, {
      metadata: { name: 'x' },
      webhooks: [webhook],
    });
    const text = String(at(body, 'message'));
    assert.ok(text.endsWith(`is invalid: webhooks[0].${expected}`), text);
  };
  await check(
    { name: 'x' },
    'name: Invalid value: "x": should be a domain with at least three segments separated by dots',
  );
  await check(
    { clientConfig: { url: 'http://x/' } },
    `clientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme; desired format: https://host[/path]`,
  );
  await check(
    { clientConfig: {} },
    'clientConfig: Required value: exactly one of url or service is required',
  );
  await check(
    { matchConditions: [{ name: 'a', expression: 'objet.x' }] },
    `matchConditions[0].expression: Invalid value: "objet.x": compilation failed: ERROR: undeclared reference to 'objet' (in container '')`,
  );
  await check(
    { matchConditions: [{ name: 'a', expression: '1 + 1' }] },
    'matchConditions[0].expression: Invalid value: "1 + 1": must evaluate to bool',
  );
  await check(
    { timeoutSeconds: 40 },
    'timeoutSeconds: Invalid value: 40: the timeout value must be between 1 and 30 seconds',
  );
  await check(
    { sideEffects: 'Some' },
    'sideEffects: Unsupported value: "Some": supported values: "None", "NoneOnDryRun"',
  );
});
