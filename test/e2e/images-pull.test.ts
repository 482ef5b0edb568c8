import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { buildImage } from '#images/layer-builder/build-image.ts';
import { parseManifest, platformOf } from '#images/manifest.ts';
import { parseReference } from '#images/reference.ts';
import { type DockerRegistry, startDockerRegistry } from '#test/support/docker-registry.ts';
import { openTestStore } from '#test/support/image-fixture.ts';
import { call, startPlatform, type Platform } from '#test/support/platform.ts';

/** Pull policies and pull secrets by kubectl, against Debian's docker-registry with TLS and a password. */

let it: Platform;
let registry: DockerRegistry;
/** An image that serves, in the registry. */
let image: string;
const owned = new AsyncDisposableStack();

before(async () => {
  registry = owned.use(await startDockerRegistry());
  it = owned.use(await startPlatform());
  await writeFile(path.join(it.home, 'registries.yaml'), registry.registriesYaml);
  const store = await openTestStore(path.join(registry.folder, 'store'));
  image = `${registry.host}/team/hello:v1`;
  const signal = AbortSignal.timeout(60_000);
  const source = path.resolve(import.meta.dirname, '../../samples/hello');
  const platform = platformOf(process.arch);
  const nodePath = process.execPath;
  await buildImage({ source, nodePath, platform, store, reference: image, signal });
  const digest = await store.pushed.find('team/hello', 'v1');
  assert.ok(digest);
  const manifest = parseManifest((await store.read(digest, 1e6)) ?? Buffer.alloc(0));
  const credentials = [registry.credentials];
  await registry.client.push(parseReference(image), { store, manifest, credentials, signal });
});

after(async () => await owned[Symbol.asyncDispose]());

interface PodOptions {
  readonly image?: string;
  readonly policy?: string;
  readonly secrets?: readonly string[];
}

async function pod(name: string, options: PodOptions = {}): Promise<void> {
  const { policy: imagePullPolicy = 'IfNotPresent', secrets = [] } = options;
  const spec = {
    terminationGracePeriodSeconds: 0,
    imagePullSecrets: secrets.map((secret) => ({ name: secret })),
    containers: [{ name: 'main', image: options.image ?? image, imagePullPolicy }],
  };
  const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec };
  await it.ok(['apply', '-f', '-'], JSON.stringify(object));
}

async function isReady(name: string): Promise<void> {
  await it.ok(['wait', `pod/${name}`, '--for=condition=Ready', '--timeout=50s']);
}

/** Waits for the container's reason to wait; its message. */
async function waits(name: string, reason: string): Promise<string> {
  const at = '.status.containerStatuses[0].state.waiting';
  await it.ok(['wait', `pod/${name}`, `--for=jsonpath={${at}.reason}=${reason}`, '--timeout=50s']);
  return await it.ok(['get', 'pod', name, '-o', `jsonpath={${at}.message}`]);
}

/** Waits until the pod's Events are these, in their order; `type reason` of each. */
async function events(name: string, wanted: readonly string[]): Promise<string> {
  const selector = ['--for', `pod/${name}`];
  for (const each of wanted) {
    const [, reason = ''] = each.split(' ');
    const watch = it.kubectlInBackground(['events', ...selector, '--watch']);
    await watch.until(new RegExp(`${reason}\\s`));
    watch.kill();
  }
  const { items } = JSON.parse(await it.ok(['events', ...selector, '-o', 'json'])) as {
    items: { type: string; reason: string; message: string }[];
  };
  const seen = items.map(({ type, reason }) => `${type} ${reason}`);
  for (const each of wanted) assert.ok(seen.includes(each), `${each} in ${seen.join(', ')}`);
  return items.map(({ message }) => message).join('\n');
}

async function secret(name: string, type: string, content: object): Promise<void> {
  const key = type === 'dockercfg' ? '.dockercfg' : '.dockerconfigjson';
  const object = {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { name },
    type: `kubernetes.io/${type}`,
    stringData: { [key]: JSON.stringify(content) },
  };
  await it.ok(['apply', '-f', '-'], JSON.stringify(object));
}

test('pulling: without the right secret a pod says why, and has its image soon after it is given one', async () => {
  const { username } = registry.credentials;
  const wrong = { username, password: 'wrong' };
  await secret('wrong', 'dockerconfigjson', { auths: { [registry.host]: wrong } });
  await secret('other', 'dockerconfigjson', { auths: { 'example.com': registry.credentials } });
  await pod('no-secret');
  await pod('wrong-secret', { secrets: ['wrong', 'other'] });
  await pod('missing-secret', { secrets: ['late'] });
  for (const name of ['no-secret', 'wrong-secret', 'missing-secret']) {
    const message = await waits(name, 'ImagePullBackOff');
    assert.match(
      message,
      /^Back-off pulling image ".*": ErrImagePull: registry 127.*(401|password)/,
    );
    assert.match(message, /imagePullSecrets/);
    assert.ok(!message.includes('wrong'), message);
  }
  const reasons = ['Normal Pulling', 'Warning Failed', 'Normal BackOff'];
  const told = await events('no-secret', reasons);
  for (const words of [
    'Error: ErrImagePull',
    'Error: ImagePullBackOff',
    `Pulling image "${image}"`,
  ])
    assert.ok(told.includes(words), told);
  await events('missing-secret', ['Warning FailedToRetrieveImagePullSecret']);
  const [server, user, password] = [registry.host, username, registry.credentials.password];
  const login = [`--docker-server=${server}`, `--docker-username=${user}`];
  await it.ok([
    'create',
    'secret',
    'docker-registry',
    'late',
    ...login,
    `--docker-password=${password}`,
  ]);
  await isReady('missing-secret');
  assert.match(await events('missing-secret', ['Normal Pulled']), /Successfully pulled image/);
  // What one pod pulled is there for every pod of the machine.
  await pod('present');
  await isReady('present');
  assert.match(await events('present', ['Normal Pulled']), /already present on machine/);
});

test('pulling: every form that a secret may have opens the registry', async () => {
  const { username, password } = registry.credentials;
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  const { host } = registry;
  const wrong = { username, password: 'wrong' };
  await secret('names', 'dockerconfigjson', { auths: { [host]: { username, password } } });
  await secret('encoded', 'dockerconfigjson', { auths: { [`https://${host}/v2/`]: { auth } } });
  await secret('old', 'dockercfg', { [host]: { auth, email: 'a@example.com' } });
  await secret('particular', 'dockerconfigjson', {
    auths: { [host]: wrong, [`${host}/team`]: { auth }, [`${host}/other`]: wrong },
  });
  await secret('second', 'dockerconfigjson', { auths: { [host]: wrong } });
  const forms = [['names'], ['encoded'], ['old'], ['particular'], ['second', 'names']];
  for (const secrets of forms) await pod(`by-${secrets[0]}`, { secrets, policy: 'Always' });
  for (const [name] of forms) await isReady(`by-${name}`);
  await it.ok(['delete', 'pod', ...forms.map(([name]) => `by-${name}`), '--wait=false']);
  await pod('by-nobody', { policy: 'Always' });
  assert.match(await waits('by-nobody', 'ImagePullBackOff'), /imagePullSecrets/);
});

test('pulling: secrets of the service account are for its pods and its Services', async () => {
  const { username, password } = registry.credentials;
  const auths = { auths: { [registry.host]: { username, password } } };
  await secret('accounts', 'dockerconfigjson', auths);
  await it.ok(['create', 'serviceaccount', 'puller']);
  const secrets = JSON.stringify({ imagePullSecrets: [{ name: 'accounts' }] });
  await it.ok(['patch', 'serviceaccount', 'puller', '-p', secrets]);
  const service = (serviceAccountName: string): string =>
    JSON.stringify({
      apiVersion: 'serving.knative.dev/v1',
      kind: 'Service',
      metadata: { name: `as-${serviceAccountName}` },
      spec: {
        template: {
          spec: { serviceAccountName, containers: [{ image, imagePullPolicy: 'Always' }] },
        },
      },
    });
  await it.ok(['apply', '-f', '-'], service('puller'));
  await it.ok(['apply', '-f', '-'], service('default'));
  await it.ok(['wait', 'ksvc/as-puller', '--for=condition=Ready', '--timeout=50s']);
  const url = await it.ok(['get', 'ksvc', 'as-puller', '-o', 'jsonpath={.status.url}']);
  assert.equal((await call(url)).body, 'Hello World!\n');
  await it.ok(['wait', 'ksvc/as-default', '--for=condition=Ready=False', '--timeout=50s']);
  const why = await it.ok(['get', 'ksvc', 'as-default', '-o', 'jsonpath={.status.conditions}']);
  assert.match(why, /Unable to fetch image .*imagePullSecrets/);
});

test('pulling: Never, and names that are none', async () => {
  await pod('never', { policy: 'Never', image: `${registry.host}/team/hello:v2` });
  const name = `${registry.host}/team/hello:v2`;
  const message = `Container image "${name}" is not present with pull policy of Never`;
  assert.equal(await waits('never', 'ErrImageNeverPull'), message);
  assert.match(
    await events('never', ['Warning ErrImageNeverPull', 'Warning Failed']),
    /Error: Err/,
  );
  await pod('invalid', { image: 'Bad Name' });
  assert.match(await waits('invalid', 'InvalidImageName'), /invalid reference format/);
  await events('invalid', ['Warning InspectFailed', 'Warning Failed']);
  await pod('never-present', { policy: 'Never' });
  await isReady('never-present');
});
