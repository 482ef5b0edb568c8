import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest } from '#test/support/cluster-under-test.ts';
import { at, type WireReply } from '#test/support/wire.ts';

interface Resources {
  readonly requests?: object;
  readonly limits?: object;
}

async function withNamespace() {
  const cluster = await clusterUnderTest();
  const namespace = await cluster.namespace();
  const core = `/api/v1/namespaces/${namespace}`;
  const { send, watch } = cluster;
  const claim = (storage: string): object => ({
    metadata: { name: 'c' },
    spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage } } },
  });
  return {
    send,
    core,
    namespace,
    pod: (name: string, resources: Resources = {}, query = ''): Promise<WireReply> =>
      send('POST', `${core}/pods${query}`, {
        metadata: { name },
        spec: { containers: [{ name: 'main', image: 'sample:v1', resources }] },
      }),
    claim: (storage: string): Promise<WireReply> =>
      send('POST', `${core}/persistentvolumeclaims`, claim(storage)),
    /** Follows a quota until it says so. */
    used: async (name: string, expected: Readonly<Record<string, string>>): Promise<void> => {
      const query = `?watch=1&fieldSelector=metadata.name%3D${name}`;
      for await (const { object } of watch(`${core}/resourcequotas${query}`)) {
        const found = (at(object, 'status.used') ?? {}) as Record<string, string>;
        const isSame = Object.entries(expected).every(([key, value]) => found[key] === value);
        if (isSame) return;
      }
      assert.fail(`the watch of the quota ${name} ended: ${JSON.stringify(expected)} was expected`);
    },
  };
}

function assertForbidden({ status, body }: WireReply, message: string): void {
  assert.equal(at(body, 'message'), message);
  assert.equal(status, 403);
  assert.equal(at(body, 'reason'), 'Forbidden');
}

test('limit ranges: fill in, and say so; what follows from it counts', async () => {
  const { send, core, pod } = await withNamespace();
  const container = {
    type: 'Container',
    default: { cpu: '200m', memory: '128Mi' },
    defaultRequest: { cpu: '100m' },
    max: { cpu: '1', memory: '1Gi' },
    min: { cpu: '50m' },
  };
  const made = await send('POST', `${core}/limitranges`, {
    metadata: { name: 'r' },
    spec: { limits: [container] },
  });
  assert.equal(made.status, 201);
  assert.deepEqual(at(made.body, 'spec.limits.0.defaultRequest'), { cpu: '100m', memory: '128Mi' });
  const { body } = await admitted(() => pod('a', {}, '?dryRun=All'));
  assert.deepEqual(at(body, 'spec.containers.0.resources'), {
    limits: { cpu: '200m', memory: '128Mi' },
    requests: { cpu: '100m', memory: '128Mi' },
  });
  assert.equal(at(body, 'status.qosClass'), 'Burstable');
  const annotations = at(body, 'metadata.annotations') as Record<string, string>;
  assert.equal(
    annotations['kubernetes.io/limit-ranger'],
    'LimitRanger plugin set: cpu, memory request for container main; cpu, memory limit for container main',
  );
});

/** Until a container comes back with limits: a real server acts on a LimitRange a moment after it was written. */
async function admitted(create: () => Promise<WireReply>): Promise<WireReply> {
  const deadline = AbortSignal.timeout(10_000);
  for (;;) {
    const reply = await create();
    const isMeant = reply.status === 403 || at(reply.body, 'spec.containers.0.resources.limits');
    if (isMeant) return reply;
    deadline.throwIfAborted();
  }
}

test('limit ranges: refuse what is outside them', async () => {
  const { send, core, pod, claim } = await withNamespace();
  const limits = [
    {
      type: 'Container',
      min: { cpu: '50m' },
      max: { cpu: '1', memory: '1Gi' },
      maxLimitRequestRatio: { cpu: '4' },
    },
    { type: 'Pod', max: { cpu: '2' } },
    { type: 'PersistentVolumeClaim', min: { storage: '1Gi' }, max: { storage: '5Gi' } },
  ];
  await send('POST', `${core}/limitranges`, { metadata: { name: 'r' }, spec: { limits } });
  await admitted(() => pod('a', {}, '?dryRun=All'));
  assertForbidden(
    await pod('a', { limits: { cpu: '4' } }),
    'pods "a" is forbidden: [maximum cpu usage per Container is 1, but limit is 4, maximum cpu usage per Pod is 2, but limit is 4]',
  );
  assertForbidden(
    await pod('a', { requests: { cpu: '10m' }, limits: { cpu: '20m' } }),
    'pods "a" is forbidden: minimum cpu usage per Container is 50m, but request is 10m',
  );
  assertForbidden(
    await pod('a', { requests: { cpu: '100m' }, limits: { cpu: '900m', memory: '2Gi' } }),
    'pods "a" is forbidden: [maximum memory usage per Container is 1Gi, but limit is 2Gi, cpu max limit to request ratio per Container is 4, but provided ratio is 9.000000]',
  );
  assertForbidden(
    await claim('10Gi'),
    'persistentvolumeclaims "c" is forbidden: maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 10Gi',
  );
  assertForbidden(
    await claim('1Mi'),
    'persistentvolumeclaims "c" is forbidden: minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 1Mi',
  );
  const second = { type: 'Container', default: { cpu: '2' }, max: { cpu: '1' } };
  const { status } = await send('POST', `${core}/limitranges`, {
    metadata: { name: 'bad' },
    spec: { limits: [second] },
  });
  assert.equal(status, 422);
});

test('quotas: what would be too much is refused, with what is used and what is there', async () => {
  const { send, core, namespace, pod, claim, used } = await withNamespace();
  const hard = {
    pods: '2',
    'requests.cpu': '500m',
    'limits.memory': '1Gi',
    configmaps: '2',
    services: '1',
    'services.nodeports': '0',
    'count/deployments.apps': '0',
    'requests.storage': '2Gi',
  };
  await send('POST', `${core}/resourcequotas`, { metadata: { name: 'q' }, spec: { hard } });
  await used('q', { pods: '0', configmaps: '1', 'requests.cpu': '0', 'limits.memory': '0' });
  const of = (name: string): string => `pods "${name}" is forbidden: `;
  assertForbidden(
    await pod('x'),
    `${of('x')}failed quota: q: must specify limits.memory for: main; requests.cpu for: main`,
  );
  const half = { requests: { cpu: '400m' }, limits: { memory: '512Mi' } };
  assert.equal((await pod('x', half)).status, 201);
  await used('q', { pods: '1', 'requests.cpu': '400m', 'limits.memory': '512Mi' });
  assertForbidden(
    await pod('y', { requests: { cpu: '400m' }, limits: { memory: '768Mi' } }),
    `${of('y')}exceeded quota: q, requested: limits.memory=768Mi,requests.cpu=400m, used: limits.memory=512Mi,requests.cpu=400m, limited: limits.memory=1Gi,requests.cpu=500m`,
  );
  const little = { requests: { cpu: '50m' }, limits: { memory: '100Mi' } };
  assert.equal((await pod('y', little)).status, 201);
  assertForbidden(
    await pod('z', little),
    `${of('z')}exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2`,
  );
  const map = (name: string): Promise<WireReply> =>
    send('POST', `${core}/configmaps`, { metadata: { name } });
  assert.equal((await map('a')).status, 201);
  assertForbidden(
    await map('b'),
    'configmaps "b" is forbidden: exceeded quota: q, requested: configmaps=1, used: configmaps=2, limited: configmaps=2',
  );
  assertForbidden(
    await send('POST', `${core}/services`, {
      metadata: { name: 's' },
      spec: { type: 'NodePort', ports: [{ port: 80 }] },
    }),
    'services "s" is forbidden: exceeded quota: q, requested: services.nodeports=1, used: services.nodeports=0, limited: services.nodeports=0',
  );
  const labels = { app: 'd' };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'm', image: 'i' }] } };
  assertForbidden(
    await send('POST', `/apis/apps/v1/namespaces/${namespace}/deployments`, {
      metadata: { name: 'd' },
      spec: { selector: { matchLabels: labels }, template },
    }),
    'deployments.apps "d" is forbidden: exceeded quota: q, requested: count/deployments.apps=1, used: count/deployments.apps=0, limited: count/deployments.apps=0',
  );
  assertForbidden(
    await claim('3Gi'),
    'persistentvolumeclaims "c" is forbidden: exceeded quota: q, requested: requests.storage=3Gi, used: requests.storage=0, limited: requests.storage=2Gi',
  );
  await send('DELETE', `${core}/pods/y?gracePeriodSeconds=0`);
  await used('q', { pods: '1', 'requests.cpu': '400m', configmaps: '2' });
});

test('quotas: those with a scope count what is in it', async () => {
  const { send, core, pod, used } = await withNamespace();
  await send('POST', `${core}/resourcequotas`, {
    metadata: { name: 'q' },
    spec: { hard: { pods: '0' }, scopes: ['BestEffort'] },
  });
  await used('q', { pods: '0' });
  assertForbidden(
    await pod('a'),
    'pods "a" is forbidden: exceeded quota: q, requested: pods=1, used: pods=0, limited: pods=0',
  );
  assert.equal((await pod('a', { requests: { cpu: '1m' } })).status, 201);
});

test('quotas: speak of what is valid alone', async () => {
  const { send, core, used } = await withNamespace();
  await send('POST', `${core}/resourcequotas`, {
    metadata: { name: 'q' },
    spec: { hard: { services: '0' } },
  });
  await used('q', { services: '0' });
  const service = (ports: readonly object[]): object => ({
    metadata: { name: 's' },
    spec: { ports },
  });
  assert.equal((await send('POST', `${core}/services`, service([{ port: 0 }]))).status, 422);
  assert.equal((await send('POST', `${core}/services`, service([{ port: 1 }]))).status, 403);
});
