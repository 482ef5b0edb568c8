import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { call, startPlatform, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

let it: Platform;
let image: string;
before(async () => {
  it = await startPlatform();
  image = await sampleImage(it);
});
after(async () => await it[Symbol.asyncDispose]());

function service(name: string, container: Record<string, unknown>, annotations = {}): string {
  return JSON.stringify({
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { template: { metadata: { annotations }, spec: { containers: [container] } } },
  });
}

test('kubectl: apply, get -w, describe, logs -f and delete', async () => {
  const watching = it.kubectlInBackground(['get', 'ksvc', '-w', '--no-headers']);
  const applied = await it.ok(['apply', '-f', '-'], service('hello', { image }));
  assert.match(applied, /service\.serving\.knative\.dev\/hello created/);
  await it.ok(['wait', 'ksvc/hello', '--for=condition=Ready', '--timeout=60s']);
  const url = (await it.ok(['get', 'ksvc', 'hello', '-o', 'jsonpath={.status.url}'])).trim();
  assert.match(url, /^http:\/\/hello\.default\.localhost:\d+$/);
  const answer = await call(url);
  assert.deepEqual([answer.status, answer.body], [200, 'Hello World!\n']);

  const described = await it.ok(['describe', 'ksvc', 'hello']);
  assert.match(described, /Type:\s+Ready/);
  assert.match(described, /Latest Ready Revision Name:\s+hello-00001/);

  const selector = 'serving.knative.dev/service=hello';
  const following = it.kubectlInBackground(['logs', '-f', '-l', selector]);
  await following.until(/listening on 8080/);
  following.kill();

  const version = ['get', 'ksvc', 'hello', '-o', 'jsonpath={.metadata.resourceVersion}'];
  const before = await it.ok(version);
  await it.ok(['apply', '-f', '-'], service('hello', { image }));
  assert.equal(await it.ok(version), before, 'the same manifest again wrote something');
  assert.match(await it.ok(['delete', 'ksvc', 'hello']), /deleted/);
  await it.ok(['wait', 'pod', '-l', selector, '--for=delete', '--timeout=60s']);
  assert.equal(await it.ok(['get', 'revisions,configurations,routes', '-o', 'name']), '');
  await watching.until(/hello\s+http:\/\/hello.*hello-00001\s+True/);
  watching.kill();
});

test('kubectl: malformed YAML is refused before anything is written', async () => {
  const outcome = await it.kubectl(['apply', '-f', '-'], { input: 'kind: [Service\n' });
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr, /error (parsing|converting) /);
});

test('kubectl: an unknown field is named by its path', async () => {
  const outcome = await it.kubectl(['apply', '-f', '-'], {
    input: service('typo', { image, imagePullPolice: 'Always' }),
  });
  assert.equal(outcome.code, 1);
  assert.match(
    outcome.stderr,
    /strict decoding error: unknown field "spec\.template\.spec\.containers\[0\]\.imagePullPolice"/,
  );
  assert.equal((await it.kubectl(['get', 'ksvc', 'typo'])).code, 1);
});

test('kubectl: what a field may not be is said with its path', async () => {
  const outcome = await it.kubectl(['apply', '-f', '-'], {
    input: service('bad', { image: '' }),
  });
  assert.equal(outcome.code, 1);
  assert.match(
    outcome.stderr,
    /denied the request: validation failed: missing field\(s\): spec\.template\.spec\.containers\[0\]\.image/,
  );
});

test('kubectl: an image that does not exist fails the Service with the reason', async () => {
  const missing = image.replace(/\/hello.*$/, '/nothing:here');
  await it.ok(['apply', '-f', '-'], service('missing', { image: missing }));
  await it.ok(['wait', 'ksvc/missing', '--for=condition=Ready=false', '--timeout=60s']);
  const message = await it.ok([
    'get',
    'revision',
    '-l',
    'serving.knative.dev/service=missing',
    '-o',
    `jsonpath={.items[0].status.conditions[?(@.type=="ContainerHealthy")].reason}: {.items[0].status.conditions[?(@.type=="ContainerHealthy")].message}`,
  ]);
  assert.match(message, /^ContainerMissing: Unable to fetch image ".*\/nothing:here": /);
  await it.ok(['delete', 'ksvc', 'missing']);
});

test('kubectl: a program that exits at once fails the Service with its exit code and last words', async () => {
  const container = {
    image,
    command: ['/usr/local/bin/node', '-e', 'console.error("no database"); process.exit(7)'],
  };
  const annotations = { 'serving.knative.dev/progress-deadline': '600s' };
  await it.ok(['apply', '-f', '-'], service('exits', container, annotations));
  await it.ok(['wait', 'ksvc/exits', '--for=condition=Ready=false', '--timeout=60s']);
  const condition = await it.ok([
    'get',
    'ksvc',
    'exits',
    '-o',
    'jsonpath={.status.conditions[?(@.type=="ConfigurationsReady")].message}',
  ]);
  assert.match(
    condition,
    /^Revision "exits-00001" failed with message: Container failed with: no database/,
  );
  await it.ok(['delete', 'ksvc', 'exits']);
});

test("kubectl: a pod's token is bound to the pod, and ends with it", async () => {
  const print = `process.stdout.write(require('fs').readFileSync('/var/run/secrets/kubernetes.io/serviceaccount/token'))`;
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'bound' },
    spec: {
      restartPolicy: 'Never',
      containers: [{ name: 'main', image, command: ['/usr/local/bin/node', '-e', print] }],
    },
  };
  await it.ok(['apply', '-f', '-'], JSON.stringify(pod));
  const phase = '--for=jsonpath={.status.phase}=Succeeded';
  await it.ok(['wait', 'pod/bound', phase, '--timeout=60s']);
  const token = await it.ok(['logs', 'bound']);
  const review = async (): Promise<unknown> => {
    const asked = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenReview', spec: { token } };
    const answer = await it.ok(['create', '-o', 'json', '-f', '-'], JSON.stringify(asked));
    return (JSON.parse(answer) as { status: unknown }).status;
  };
  const { user } = (await review()) as { user: { extra: Record<string, string[]> } };
  assert.deepEqual(user.extra['authentication.kubernetes.io/pod-name'], ['bound']);
  await it.ok(['delete', 'pod', 'bound']);
  assert.deepEqual(await review(), { user: {}, error: 'invalid bearer token' });
});
