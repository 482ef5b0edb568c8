import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before } from 'node:test';
import type { Pod } from '#api/core-v1/pod.ts';
import { buildImage } from '#images/layer-builder/build-image.ts';
import { parseManifest, platformOf } from '#images/manifest.ts';
import { parseReference } from '#images/reference.ts';
import { type DockerRegistry, startDockerRegistry } from '#test/support/docker-registry.ts';
import { openTestStore } from '#test/support/image-fixture.ts';
import {
  byAllKubectls,
  byEveryKubectl,
  kubectlClients,
  type KubectlClient,
} from '#test/support/kubectl-client.ts';
import { call, startPlatform, type Platform } from '#test/support/platform.ts';

/** Pull policies and pull secrets by kubectl, against Debian's docker-registry with TLS and a password. */

let it: Platform;
let registry: DockerRegistry;
const owned = new AsyncDisposableStack();

before(async () => {
  registry = owned.use(await startDockerRegistry());
  it = owned.use(await startPlatform());
  await writeFile(path.join(it.home, 'registries.yaml'), registry.registriesYaml);
  const store = await openTestStore(path.join(registry.folder, 'store'));
  const signal = AbortSignal.timeout(60_000);
  const source = path.resolve(import.meta.dirname, '../../samples/hello');
  const platform = platformOf(process.arch);
  const nodePath = process.execPath;
  const reference = imageOf(clients[0]);
  await buildImage({ source, nodePath, platform, store, reference, signal });
  const digest = await store.pushed.find('team/hello-now', 'v1');
  assert.ok(digest);
  const manifest = parseManifest((await store.read(digest, 1e6)) ?? Buffer.alloc(0));
  const credentials = [registry.credentials];
  for (const client of clients)
    await registry.client.push(parseReference(imageOf(client)), {
      store,
      manifest,
      credentials,
      signal,
    });
});

after(async () => await owned[Symbol.asyncDispose]());

const clients = kubectlClients(() => it);
const every = byEveryKubectl('pulling', () => it);
const together = byAllKubectls('pulling', () => it);

/** An image that serves, in the registry; each client has one that the other's pods have not pulled. */
function imageOf(client: KubectlClient): string {
  return `${registry.host}/team/${client.own('hello')}:v1`;
}

interface PodOptions {
  readonly image?: string;
  readonly policy?: string;
  readonly secrets?: readonly string[];
}

async function pod(client: KubectlClient, name: string, options: PodOptions = {}): Promise<void> {
  const { policy: imagePullPolicy = 'IfNotPresent', secrets = [] } = options;
  const image = options.image ?? imageOf(client);
  const spec = {
    terminationGracePeriodSeconds: 0,
    imagePullSecrets: secrets.map((secret) => ({ name: secret })),
    containers: [{ name: 'main', image, imagePullPolicy }],
  };
  await client.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec });
}

async function isReady(client: KubectlClient, name: string): Promise<void> {
  await client.ok(['wait', `pod/${name}`, '--for=condition=Ready', '--timeout=50s']);
}

/** Waits for the container's reason to wait; its message. */
async function waits(client: KubectlClient, name: string, reason: string): Promise<string> {
  const waiting = ({ containerStatuses: [one] = [] }: NonNullable<Pod['status']>) =>
    one?.state?.waiting;
  const { status } = await client.podOnce(name, (each) => waiting(each)?.reason === reason);
  return waiting(status ?? {})?.message ?? '';
}

/** Waits until the pod's Events have all of these, `type reason`; what they say. */
async function events(
  client: KubectlClient,
  name: string,
  wanted: readonly string[],
): Promise<string> {
  const selector = ['--field-selector', `involvedObject.name=${name}`];
  const each = '{.type} {.reason} {.message}{"\\n"}';
  const look = async (): Promise<string> =>
    await client.ok(['get', 'events', ...selector, '-o', `jsonpath={range .items[*]}${each}{end}`]);
  for (const words of wanted) await client.until(look, new RegExp(`^${words} `, 'm'));
  return await look();
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

together(
  'without the right secret a pod says why, and has its image soon after it is given one',
  async (client) => {
    const { username } = registry.credentials;
    const wrong = { username, password: 'wrong' };
    const [badly, elsewhere] = ['wrong', 'other'].map((each) => client.own(each)) as [
      string,
      string,
    ];
    await secret(badly, 'dockerconfigjson', { auths: { [registry.host]: wrong } });
    await secret(elsewhere, 'dockerconfigjson', { auths: { 'example.com': registry.credentials } });
    const names = ['no-secret', 'wrong-secret', 'missing-secret'].map((name) => client.own(name));
    const [none, unfit, missing] = names as [string, string, string];
    const late = client.own('late');
    await pod(client, none);
    await pod(client, unfit, { secrets: [badly, elsewhere] });
    await pod(client, missing, { secrets: [late] });
    for (const name of names) {
      const message = await waits(client, name, 'ImagePullBackOff');
      assert.match(
        message,
        /^Back-off pulling image ".*": ErrImagePull: registry 127.*(401|password)/,
      );
      assert.match(message, /imagePullSecrets/);
      assert.ok(!message.includes('wrong'), message);
      assert.match(await client.ok(['get', 'pod', name]), /0\/1 +(ImagePullBackOff|ErrImagePull) /);
    }
    const reasons = ['Normal Pulling', 'Warning Failed', 'Normal BackOff'];
    const told = await events(client, none, reasons);
    for (const words of [
      'Error: ErrImagePull',
      'Error: ImagePullBackOff',
      `Pulling image "${imageOf(client)}"`,
    ])
      assert.ok(told.includes(words), told);
    await events(client, missing, ['Warning FailedToRetrieveImagePullSecret']);
    const [server, user, password] = [registry.host, username, registry.credentials.password];
    const login = [`--docker-server=${server}`, `--docker-username=${user}`];
    const made = ['create', 'secret', 'docker-registry', late, ...login];
    await client.ok([...made, `--docker-password=${password}`]);
    await isReady(client, missing);
    const pulled = await events(client, missing, ['Normal Pulled']);
    assert.match(pulled, /Successfully pulled image/);
    // What one pod pulled is there for every pod of the machine, but for those that always ask.
    await pod(client, client.own('present'));
    await isReady(client, client.own('present'));
    const present = await events(client, client.own('present'), ['Normal Pulled']);
    assert.match(present, /already present on machine/);
    await pod(client, client.own('always'), { policy: 'Always' });
    assert.match(await waits(client, client.own('always'), 'ImagePullBackOff'), /imagePullSecrets/);
  },
);

together('every form that a secret may have opens the registry', async (client) => {
  const { username, password } = registry.credentials;
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  const { host } = registry;
  const wrong = { username, password: 'wrong' };
  const own = (name: string): string => client.own(name);
  await secret(own('names'), 'dockerconfigjson', { auths: { [host]: { username, password } } });
  await secret(own('encoded'), 'dockerconfigjson', {
    auths: { [`https://${host}/v2/`]: { auth } },
  });
  await secret(own('cfg'), 'dockercfg', { [host]: { auth, email: 'a@example.com' } });
  await secret(own('particular'), 'dockerconfigjson', {
    auths: { [host]: wrong, [`${host}/team`]: { auth }, [`${host}/other`]: wrong },
  });
  await secret(own('second'), 'dockerconfigjson', { auths: { [host]: wrong } });
  const forms = [['names'], ['encoded'], ['cfg'], ['particular'], ['second', 'names']];
  const names = forms.map(([name]) => own(`by-${name}`));
  for (const [at, secrets] of forms.entries())
    await pod(client, names[at] ?? '', { secrets: secrets.map(own), policy: 'Always' });
  for (const name of names) await isReady(client, name);
  await client.ok(['delete', 'pod', ...names, '--wait=false']);
  await pod(client, own('by-nobody'), { policy: 'Always' });
  assert.match(await waits(client, own('by-nobody'), 'ImagePullBackOff'), /imagePullSecrets/);
});

together('secrets of the service account are for its pods and its Services', async (client) => {
  const { username, password } = registry.credentials;
  const auths = { auths: { [registry.host]: { username, password } } };
  const [puller, theirs] = ['puller', 'accounts'].map((name) => client.own(name)) as [
    string,
    string,
  ];
  await secret(theirs, 'dockerconfigjson', auths);
  await client.ok(['create', 'serviceaccount', puller]);
  const secrets = JSON.stringify({ imagePullSecrets: [{ name: theirs }] });
  await client.ok(['patch', 'serviceaccount', puller, '-p', secrets]);
  const containers = [{ name: 'main', image: imageOf(client), imagePullPolicy: 'Always' }];
  const spec = { serviceAccountName: puller, terminationGracePeriodSeconds: 0, containers };
  const metadata = { name: client.own('of-account') };
  const service = (name: string, serviceAccountName: string): object => ({
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name },
    spec: { template: { spec: { serviceAccountName, containers } } },
  });
  const [allowed, refused] = [client.own('as-puller'), client.own('as-default')];
  await client.apply(
    { apiVersion: 'v1', kind: 'Pod', metadata, spec },
    service(allowed, puller),
    service(refused, 'default'),
  );
  await isReady(client, metadata.name);
  const said = await client.ok(['get', 'pod', metadata.name, '-o', 'jsonpath={.spec}']);
  assert.match(said, new RegExp(`"imagePullSecrets":\\[{"name":"${theirs}"}`));
  await client.ok(['wait', `ksvc/${allowed}`, '--for=condition=Ready', '--timeout=50s']);
  const url = await client.ok(['get', 'ksvc', allowed, '-o', 'jsonpath={.status.url}']);
  assert.equal((await call(url)).body, 'Hello World!\n');
  await client.ok(['wait', `ksvc/${refused}`, '--for=condition=Ready=False', '--timeout=50s']);
  const why = await client.ok(['get', 'ksvc', refused, '-o', 'jsonpath={.status.conditions}']);
  assert.match(why, /Unable to fetch image .*imagePullSecrets/);
});

every('Never, and names that are none', async (client) => {
  const [never, invalid, there] = ['never', 'invalid', 'never-present'].map((name) =>
    client.own(name),
  ) as [string, string, string];
  const name = `${registry.host}/team/hello:v2`;
  await pod(client, never, { policy: 'Never', image: name });
  const message = `Container image "${name}" is not present with pull policy of Never`;
  assert.equal(await waits(client, never, 'ErrImageNeverPull'), message);
  const told = await events(client, never, ['Warning ErrImageNeverPull', 'Warning Failed']);
  assert.match(told, /Error: Err/);
  await pod(client, invalid, { image: 'Bad Name' });
  assert.match(await waits(client, invalid, 'InvalidImageName'), /invalid reference format/);
  await events(client, invalid, ['Warning InspectFailed', 'Warning Failed']);
  await pod(client, there, { policy: 'Never' });
  await isReady(client, there);
  // Who names none has the one that goes with the tag.
  const tags = { latest: 'Always', 'v2-of-it': 'IfNotPresent' };
  for (const [tag, policy] of Object.entries(tags)) {
    const command = ['run', client.own(tag), `--image=${registry.host}/team/hello:${tag}`];
    await client.ok([...command, '--restart=Never']);
    const found = ['get', 'pod', client.own(tag), '-o', 'jsonpath={..imagePullPolicy}'];
    assert.equal(await client.ok(found), policy);
  }
});
