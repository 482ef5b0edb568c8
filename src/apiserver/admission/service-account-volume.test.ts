import assert from 'node:assert/strict';
import { test } from 'node:test';
import { serviceAccountVolume } from '#apiserver/admission/service-account-volume.ts';
import { openMemoryStore } from '#store/memory/memory-store.ts';
import { at, pod, startWire, type Wire } from '#test/support/wire.ts';

const BASE = '/api/v1/namespaces/default';
const PATH = '/var/run/secrets/kubernetes.io/serviceaccount';

async function start(account: object = {}): Promise<Wire> {
  const store = await openMemoryStore();
  const wire = await startWire({ store, admission: [serviceAccountVolume(store)] });
  await wire.send('POST', `${BASE}/serviceaccounts`, { metadata: { name: 'default' }, ...account });
  return wire;
}

async function created(wire: Wire, spec: object = {}): Promise<unknown> {
  const containers = [{ name: 'main', image: 'sample:v1' }];
  const { body, status } = await wire.send(
    'POST',
    `${BASE}/pods`,
    pod('p', { spec: { containers, ...spec } }),
  );
  assert.equal(status, 201, JSON.stringify(body));
  return body;
}

test('service account volume: every pod gets its token, the certificate and its namespace', async () => {
  await using wire = await start();
  const body = await created(wire);
  const [mount] = at(body, 'spec.containers.0.volumeMounts') as {
    name: string;
    mountPath: string;
  }[];
  assert.equal(mount?.mountPath, PATH);
  assert.match(mount.name, /^kube-api-access-[0-9a-f]{5}$/);
  const [volume] = at(body, 'spec.volumes') as { name: string; projected: { sources: object[] } }[];
  assert.equal(volume?.name, mount.name);
  assert.deepEqual(
    volume.projected.sources.flatMap((source) => Object.keys(source)),
    ['serviceAccountToken', 'configMap', 'downwardAPI'],
  );
});

test('service account volume: a pod, an account or a container may decline', async () => {
  const automountServiceAccountToken = false;
  await using first = await start();
  assert.equal(
    at(await created(first, { automountServiceAccountToken }), 'spec.volumes'),
    undefined,
  );
  await using second = await start({ automountServiceAccountToken });
  assert.equal(at(await created(second), 'spec.volumes'), undefined);
  await using third = await start();
  const volumeMounts = [{ name: 'own', mountPath: PATH }];
  const body = await created(third, {
    containers: [{ name: 'main', image: 'sample:v1', volumeMounts }],
    volumes: [{ name: 'own', emptyDir: {} }],
  });
  assert.deepEqual(at(body, 'spec.volumes'), [{ name: 'own', emptyDir: {} }]);
});

test('service account volume: pull secrets come from the account, and a missing account is refused', async () => {
  await using wire = await start({ imagePullSecrets: [{ name: 'registry' }] });
  assert.deepEqual(at(await created(wire), 'spec.imagePullSecrets'), [{ name: 'registry' }]);
  const spec = { serviceAccountName: 'nope', containers: [{ name: 'main', image: 'sample:v1' }] };
  const { status, body } = await wire.send('POST', `${BASE}/pods`, pod('q', { spec }));
  assert.equal(status, 403);
  assert.equal(
    at(body, 'message'),
    'pods "q" is forbidden: error looking up service account default/nope: serviceaccount "nope" not found',
  );
});
