import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest } from '#test/support/cluster-under-test.ts';
import { at } from '#test/support/wire.ts';

const STRATEGIC = { headers: { 'content-type': 'application/strategic-merge-patch+json' } };

async function withPod() {
  const { send, namespace } = await clusterUnderTest();
  const pods = `/api/v1/namespaces/${await namespace()}/pods`;
  const pod = {
    metadata: { name: 'p' },
    spec: {
      nodeName: 'n1',
      volumes: [{ name: 'v', emptyDir: {} }],
      initContainers: [{ name: 'i', image: 'x' }],
      containers: [{ name: 'c', image: 'x' }],
    },
  };
  assert.equal((await send('POST', pods, pod)).status, 201);
  const path = `${pods}/p/ephemeralcontainers`;
  return {
    send,
    pods,
    path,
    patch: async (ephemeralContainers: readonly object[], metadata: object = {}) =>
      await send('PATCH', path, { metadata, spec: { ephemeralContainers } }, STRATEGIC),
  };
}

function causes(body: unknown): readonly string[] {
  const found = at(body, 'details.causes') as { field: string; message: string }[];
  return found.map(({ field, message }) => `${field}: ${message.split('\n')[0]}`);
}

test('ephemeral containers: are put into a pod by a path of their own, which changes nothing else', async () => {
  const { patch, send, path } = await withPod();
  const asked = { name: 'd1', image: 'x', targetContainerName: 'c', stdin: true, tty: true };
  const first = await patch([asked], { labels: { a: 'b' } });
  assert.equal(first.status, 200);
  assert.equal(at(first.body, 'metadata.labels'), undefined);
  assert.deepEqual(at(first.body, 'spec.ephemeralContainers'), [
    {
      ...asked,
      resources: {},
      terminationMessagePath: '/dev/termination-log',
      terminationMessagePolicy: 'File',
      imagePullPolicy: 'Always',
    },
  ]);
  const second = await patch([{ name: 'd2', image: 'x:1', targetContainerName: 'i' }]);
  assert.equal(at(second.body, 'metadata.generation'), 3);
  const read = await send('GET', path);
  assert.equal(at(read.body, 'kind'), 'Pod');
  assert.equal((at(read.body, 'spec.ephemeralContainers') as object[]).length, 2);
  const configuration = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'p' },
    spec: { ephemeralContainers: [{ name: 'applied', image: 'x' }] },
  };
  const applied = await send('PATCH', `${path}?fieldManager=me`, configuration, {
    headers: { 'content-type': 'application/apply-patch+yaml' },
  });
  assert.equal(applied.status, 200);
  assert.equal((at(applied.body, 'spec.ephemeralContainers') as object[]).length, 3);
  const owners = at(applied.body, 'metadata.managedFields') as Record<string, unknown>[];
  const mine = owners.find(({ manager }) => manager === 'me');
  assert.deepEqual(mine?.['fieldsV1'], {
    'f:spec': {
      'f:ephemeralContainers': { 'k:{"name":"applied"}': { '.': {}, 'f:image': {}, 'f:name': {} } },
    },
  });
  assert.equal(mine?.['subresource'], 'ephemeralcontainers');
});

test('ephemeral containers: stay as they came, and are changed by no other path', async () => {
  const { patch, send, path, pods } = await withPod();
  await patch([{ name: 'd1', image: 'x' }]);
  const changed = await patch([{ name: 'd1', image: 'y' }]);
  assert.equal(changed.status, 422);
  assert.deepEqual(causes(changed.body), [
    'spec.ephemeralContainers: Forbidden: existing ephemeral containers "d1" may not be changed',
  ]);
  const pod = (await send('GET', path)).body as { spec: object };
  const without = { ...pod, spec: { ...pod.spec, ephemeralContainers: [] } };
  const removed = await send('PUT', path, without);
  assert.deepEqual(causes(removed.body), [
    'spec.ephemeralContainers: Forbidden: existing ephemeral containers "d1" may not be removed',
  ]);
  for (const refused of [
    await send('PUT', `${pods}/p`, without),
    await send(
      'PATCH',
      `${pods}/p`,
      { spec: { ephemeralContainers: [{ name: 'd2', image: 'x' }] } },
      STRATEGIC,
    ),
  ]) {
    assert.equal(refused.status, 422);
    assert.match(causes(refused.body)[0] ?? '', /^spec: Forbidden: pod updates may not change/);
  }
  const early = { name: 'd', image: 'x' };
  const spec = { containers: [{ name: 'c', image: 'x' }], ephemeralContainers: [early] };
  const created = await send('POST', pods, { metadata: { name: 'q' }, spec });
  assert.deepEqual(causes(created.body), [
    'spec.ephemeralContainers: Forbidden: cannot be set on create',
  ]);
  const absent = await send('PATCH', `${pods}/absent/ephemeralcontainers`, { spec: {} }, STRATEGIC);
  assert.equal(absent.status, 404);
});

test('ephemeral containers: have a name of their own, a target that is there, and nothing that is for those that stay', async () => {
  const { patch } = await withPod();
  const tcpSocket = { port: 1 };
  const refused = await patch([
    { name: 'c', image: 'x' },
    { name: 'u', image: '' },
    { name: 'd', image: 'x', targetContainerName: 'absent' },
    {
      name: 'e',
      image: 'x',
      ports: [{ containerPort: 80 }],
      resources: { limits: { cpu: '1' } },
      livenessProbe: { tcpSocket },
      readinessProbe: { tcpSocket },
      startupProbe: { tcpSocket },
      lifecycle: { preStop: { sleep: { seconds: 1 } } },
      restartPolicy: 'Always',
      resizePolicy: [{ resourceName: 'cpu', restartPolicy: 'NotRequired' }],
      volumeMounts: [
        { name: 'v', mountPath: '/v', subPath: 'x' },
        { name: 'v', mountPath: '/w', subPathExpr: 'x' },
      ],
    },
    { name: 'f', image: 'x', volumeMounts: [{ name: 'none', mountPath: '/x' }] },
  ]);
  assert.equal(refused.status, 422);
  const unset = 'Forbidden: cannot be set for an Ephemeral Container';
  const at3 = 'spec.ephemeralContainers[3]';
  assert.deepEqual(causes(refused.body), [
    'spec.ephemeralContainers[0].name: Duplicate value: "c"',
    'spec.ephemeralContainers[1].image: Required value',
    'spec.ephemeralContainers[2].targetContainerName: Not found: "absent"',
    `${at3}.ports: ${unset}`,
    `${at3}.resources: ${unset}`,
    `${at3}.resizePolicy: ${unset}`,
    `${at3}.livenessProbe: ${unset}`,
    `${at3}.readinessProbe: ${unset}`,
    `${at3}.startupProbe: ${unset}`,
    `${at3}.lifecycle: ${unset}`,
    `${at3}.volumeMounts[0].subPath: ${unset}`,
    `${at3}.volumeMounts[1].subPathExpr: ${unset}`,
    'spec.ephemeralContainers[4].volumeMounts[0].name: Not found: "none"',
  ]);
});
