import assert from 'node:assert/strict';
import { readdirSync, watch } from 'node:fs';
import { test } from 'node:test';
import { bodyText } from '#base/http-message.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Service } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { Container } from '#api/generated/core-v1.ts';
import { isReady, NODE_IMAGE, startAgentBed, type AgentBed } from '#test/support/agent-bed.ts';
import { machineTraces } from '#test/support/machine-traces.ts';

function node(script: string, rest: Partial<Container> = {}): Container {
  return { name: 'main', image: NODE_IMAGE, args: ['-e', script], ...rest };
}

const SERVER = `require('node:http').createServer((q, s) => s.end('hello from ' + process.env.NAME)).listen(8080)`;

function server(rest: Partial<Container> = {}): Container {
  return node(SERVER, {
    env: [{ name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
    ports: [{ name: 'http', containerPort: 8080 }],
    readinessProbe: { httpGet: { path: '/', port: 'http' } },
    ...rest,
  });
}

async function fetchText(address: string, port = 8080): Promise<string> {
  const reply = await fetch(`http://${address}:${port}/`, { signal: AbortSignal.timeout(5_000) });
  return reply.text();
}

async function log(
  bed: AgentBed,
  name: string,
  query: Record<string, string> = {},
): Promise<string> {
  const { signal } = new AbortController();
  const request = { namespace: 'default', name, query: new URLSearchParams(query), signal };
  return await bodyText((await bed.agent.access.log(request)).body);
}

/** What of an instance is on the machine: processes, mounts, namespaces, links, routes, tables, cgroups. */
async function tracesOf(instance: string): Promise<string[]> {
  const traces = await machineTraces();
  return Object.values(traces).flatMap((names: readonly string[]) =>
    names.filter((name) => name.includes(instance)),
  );
}

function deletePod(bed: AgentBed, name: string): Promise<void> {
  return bed.cluster.client.delete(Pod, { namespace: 'default', name }, { gracePeriodSeconds: 1 });
}

test('agent: runs a pod from its object to its answer and back to nothing', async () => {
  let instance = '';
  {
    await using bed = await startAgentBed();
    instance = bed.instance;
    await bed.createPod('web', { containers: [server()] });
    const pod = await bed.podOnce('web', isReady);
    assert.notDeepEqual(await tracesOf(instance), []);
    assert.equal(pod.status?.phase, 'Running');
    assert.equal(await fetchText(pod.status?.podIP ?? ''), 'hello from web');
    await deletePod(bed, 'web');
    await bed.podGone('web');
  }
  assert.deepEqual(await tracesOf(instance), []);
});

test('agent: restarts what fails, by policy and with back-off, and keeps exit code, message and log', async () => {
  await using bed = await startAgentBed();
  const failing = node('console.log("going down"); process.exit(3)', {
    terminationMessagePolicy: 'FallbackToLogsOnError',
  });
  await bed.createPod('never', { restartPolicy: 'Never', containers: [failing] });
  await bed.createPod('always', { containers: [failing] });
  await bed.createPod('job', {
    restartPolicy: 'OnFailure',
    containers: [node('console.log("ok")')],
  });
  const never = await bed.podOnce('never', ({ status }) => status?.phase === 'Failed');
  const end = never.status?.containerStatuses?.[0]?.state?.terminated;
  assert.equal(end?.exitCode, 3);
  assert.equal(end?.reason, 'Error');
  assert.match(end?.message ?? '', /going down/);
  assert.equal(await log(bed, 'never'), 'going down\n');
  await bed.podOnce('job', ({ status }) => status?.phase === 'Succeeded');
  const waiting = (pod: Pod): string | undefined =>
    pod.status?.containerStatuses?.[0]?.state?.waiting?.reason;
  const always = await bed.podOnce('always', (pod) => waiting(pod) === 'CrashLoopBackOff');
  assert.equal(always.status?.containerStatuses?.[0]?.restartCount, 1);
  assert.equal(always.status?.containerStatuses?.[0]?.lastState?.terminated?.exitCode, 3);
  assert.equal(await log(bed, 'always', { previous: 'true', tailLines: '1' }), 'going down\n');
});

test('agent: says why a container waits', async () => {
  await using bed = await startAgentBed();
  const reasons: Readonly<Record<string, Container>> = {
    ErrImagePull: { name: 'main', image: 'test/absent:1' },
    ErrImageNeverPull: { name: 'main', image: 'test/absent:1', imagePullPolicy: 'Never' },
    CreateContainerConfigError: node('0', {
      envFrom: [{ configMapRef: { name: 'absent' } }],
    }),
  };
  for (const [reason, container] of Object.entries(reasons)) {
    const name = reason.toLowerCase();
    await bed.createPod(name, { containers: [container] });
    const pod = await bed.podOnce(
      name,
      ({ status }) => status?.containerStatuses?.[0]?.state?.waiting?.reason === reason,
    );
    assert.ok(pod.status?.containerStatuses?.[0]?.state?.waiting?.message, reason);
  }
  await bed.createPod('no-program', {
    restartPolicy: 'Never',
    containers: [node('0', { command: ['/bin/absent'] })],
  });
  const failed = await bed.podOnce('no-program', ({ status }) => status?.phase === 'Failed');
  const end = failed.status?.containerStatuses?.[0]?.state?.terminated;
  assert.equal(end?.reason, 'StartError');
  assert.match(end?.message ?? '', /absent/);
});

test('agent: files, environment and init containers come from the spec', async () => {
  await using bed = await startAgentBed();
  await bed.cluster.client.create(ConfigMap, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'settings', namespace: 'default' },
    data: { COLOR: 'green', 'file.txt': 'from a file' },
  });
  const read = `const fs = require('node:fs'); console.log([process.env.COLOR, process.env.FROM_IMAGE,
    process.env.BOTH, fs.readFileSync('/config/file.txt', 'utf8'), fs.readFileSync('/shared/made', 'utf8'),
    fs.existsSync('/proc/self/status')].join('|'))`;
  const mounts = [
    { name: 'config', mountPath: '/config' },
    { name: 'shared', mountPath: '/shared' },
  ];
  await bed.createPod('reader', {
    restartPolicy: 'Never',
    volumes: [
      { name: 'config', configMap: { name: 'settings' } },
      { name: 'shared', emptyDir: {} },
    ],
    initContainers: [
      node("require('node:fs').writeFileSync('/shared/made', 'by init')", {
        name: 'init',
        volumeMounts: mounts,
      }),
    ],
    containers: [
      node(read, {
        envFrom: [{ configMapRef: { name: 'settings' } }],
        env: [{ name: 'BOTH', value: '$(COLOR)-$(FROM_IMAGE)' }],
        volumeMounts: mounts,
      }),
    ],
  });
  await bed.podOnce('reader', ({ status }) => status?.phase === 'Succeeded');
  const text = await log(bed, 'reader', { container: 'main' });
  assert.equal(text, 'green|yes|green-yes|from a file|by init|true\n');
});

test('agent: a later process takes over what runs and hears what ended', async () => {
  await using bed = await startAgentBed();
  const quits = `require('node:http').createServer((q, s) => { s.end('bye'); setImmediate(() => process.exit(5)) }).listen(8080)`;
  await bed.createPod('stays', { containers: [server()] });
  await bed.createPod('ends', {
    restartPolicy: 'Never',
    containers: [server({ args: ['-e', quits], readinessProbe: { tcpSocket: { port: 8080 } } })],
  });
  const stays = await bed.podOnce('stays', isReady);
  const ends = await bed.podOnce('ends', isReady);
  const restarting = bed.restart();
  await fetchText(ends.status?.podIP ?? '');
  await restarting;
  const ended = await bed.podOnce('ends', ({ status }) => status?.phase === 'Failed');
  assert.equal(ended.status?.containerStatuses?.[0]?.state?.terminated?.exitCode, 5);
  const same = await bed.podOnce('stays', isReady);
  assert.equal(
    same.status?.containerStatuses?.[0]?.containerID,
    stays.status?.containerStatuses?.[0]?.containerID,
  );
  assert.equal(same.status?.containerStatuses?.[0]?.restartCount, 0);
  const transitions = (pod: Pod): unknown =>
    pod.status?.conditions?.map(({ type, lastTransitionTime }) => [type, lastTransitionTime]);
  assert.deepEqual(transitions(same), transitions(stays), 'it was ready all the time');
  assert.equal(await fetchText(same.status?.podIP ?? ''), 'hello from stays');
});

test('agent: a pod is drained, then told to stop, then gone', async () => {
  const order: string[] = [];
  await using bed = await startAgentBed({
    async drain({ name }) {
      order.push(`drain ${name}`);
    },
  });
  const polite = `process.on('SIGTERM', () => { console.log('stopping'); process.exit(0) }); ${SERVER}`;
  await bed.createPod('polite', { containers: [server({ args: ['-e', polite] })] });
  await bed.podOnce('polite', isReady);
  const following = log(bed, 'polite', { follow: 'true' });
  await deletePod(bed, 'polite');
  const last = await following;
  order.push(last.trim());
  await bed.podGone('polite');
  assert.deepEqual(order, ['drain polite', 'stopping']);
});

test('agent: a ClusterIP reaches a pod from the machine, from another pod and from itself', async () => {
  await using bed = await startAgentBed();
  const { client } = bed.cluster;
  const service = await client.create(Service, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'web', namespace: 'default' },
    spec: { ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP' }] },
  });
  const clusterIP = service.spec?.clusterIP ?? '';
  await bed.createPod('web', { containers: [server()] });
  const pod = await bed.podOnce('web', isReady);
  await client.create(EndpointSlice, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      name: 'web-1',
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': 'web' },
    },
    addressType: 'IPv4',
    endpoints: [{ addresses: [pod.status?.podIP ?? ''], conditions: { ready: true } }],
    ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  });
  const ask = `const ask = () => fetch('http://${clusterIP}/').then((r) => r.text()).then(console.log, () => setTimeout(ask, 20)); ask()`;
  await bed.createPod('asks', { restartPolicy: 'Never', containers: [node(ask)] });
  await bed.podOnce('asks', ({ status }) => status?.phase === 'Succeeded');
  assert.equal(await log(bed, 'asks'), 'hello from web\n');
  assert.equal(await fetchText(clusterIP, 80), 'hello from web');
});

test('agent: twenty pods leave nothing behind', async () => {
  await using bed = await startAgentBed();
  // The first pod brings what all share: the instance's cgroup.
  await bed.createPod('first', { containers: [server()] });
  await bed.podOnce('first', isReady);
  await deletePod(bed, 'first');
  await bed.podGone('first');
  const before = await tracesOf(bed.instance);
  const names = Array.from({ length: 20 }, (_, index) => `many-${index}`);
  for (const name of names) await bed.createPod(name, { containers: [server()] });
  for (const name of names) await bed.podOnce(name, isReady);
  for (const name of names) await deletePod(bed, name);
  for (const name of names) await bed.podGone(name);
  assert.deepEqual(await tracesOf(bed.instance), before);
});

test('agent: a pod that went before anybody ran it is removed, however often the API refuses that', async () => {
  let refused = 0;
  await using bed = await startAgentBed({
    through: (client) => ({
      ...client,
      async delete(...request) {
        refused += 1;
        if (refused <= 2) throw new ApiError('ServiceUnavailable', 'no space left on device');
        await client.delete(...request);
      },
    }),
  });
  await bed.restart(async () => {
    await bed.createPod('a', { containers: [{ name: 'main', image: NODE_IMAGE }] });
    await bed.cluster.client.delete(Pod, { namespace: 'default', name: 'a' });
  });
  await bed.podGone('a');
  assert.equal(refused, 3);
});

test('agent: a pod that goes while it is taken over leaves nothing', async () => {
  await using bed = await startAgentBed();
  const orphans = ['a', 'b', 'c', 'd'];
  const names = [...orphans, 'late'];
  for (const name of names) await bed.createPod(name, { containers: [server()] });
  for (const name of names) await bed.podOnce(name, isReady);
  const { client } = bed.cluster;
  const remove = async (name: string): Promise<void> =>
    await client.delete(Pod, { namespace: 'default', name }, { gracePeriodSeconds: 0 });
  using namespaces = namespacesOf(bed.instance);
  let taken: Promise<void> | undefined;
  await bed.restart(async () => {
    for (const name of orphans) await remove(name);
    // The orphans go one after another, once it is known who has an object.
    taken = namespaces.once((left) => left < names.length).then(async () => await remove('late'));
  });
  await taken;
  await namespaces.once((left) => left === 0);
});

interface Namespaces extends Disposable {
  /** Resolves when as many are left, looked at whenever one comes or goes. */
  once(isSo: (left: number) => boolean): Promise<void>;
}

/** The network namespaces of an instance's pods. */
function namespacesOf(instance: string): Namespaces {
  const folder = '/run/netns';
  const looks = new Set<() => void>();
  const watcher = watch(folder, () => looks.forEach((look) => look()));
  const left = (): number =>
    readdirSync(folder).filter((name) => name.startsWith(`knode-${instance}-`)).length;
  return {
    async once(isSo) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      const look = (): void => {
        if (isSo(left())) resolve();
      };
      const late = AbortSignal.timeout(30_000);
      late.addEventListener('abort', () => reject(new Error(`${left()} namespaces are left`)));
      looks.add(look);
      look();
      await promise.finally(() => looks.delete(look));
    },
    [Symbol.dispose]: () => watcher.close(),
  };
}
