import assert from 'node:assert/strict';
import { readdirSync, watch } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { sleep, systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import type { PreparedCounts } from '#base/prepared-counts.ts';
import { systemRandom } from '#base/random.ts';
import type { Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { Deployment } from '#api/apps-v1/deployment.ts';
import { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Informer } from '#client/informer.ts';
import type { Client } from '#client/client.ts';
import { readPodRecords } from '#agent/pods/pod-record.ts';
import { runtimeFolder } from '#agent/runtime/runc/runc-runtime.ts';
import { askSupervisor } from '#supervisor/ask-supervisor.ts';
import { interfacePrefix } from '#agent/network/pod-network.ts';
import { instanceOf, pathsOf } from '#supervisor/settings.ts';
import { machineTraces } from '#test/support/machine-traces.ts';
import { call, pidOf, startPlatform, type Platform } from '#test/support/platform.ts';
import { connect } from '#test/support/platform-client.ts';
import { sampleImage } from '#test/support/sample-image.ts';

/** Looks from when it resolves until `signal`; `came` resolves at the moment to kill at. */
type Moment = (
  bed: Bed,
  service: string,
  signal: AbortSignal,
) => Promise<{ readonly came: Promise<void> }>;

interface Bed {
  readonly it: Platform;
  readonly client: Client;
}

const moments: Readonly<Record<string, { readonly victim: string; readonly at: Moment }>> = {
  'the fifo is opened': { victim: 'control', at: fifoUnlinked },
  'its supervisor dies': { victim: 'supervisor', at: fifoUnlinked },
  'the Deployment is scaled': { victim: 'control', at: scaled(Deployment) },
  'the ReplicaSet is scaled': { victim: 'control', at: scaled(ReplicaSet) },
  'the Pod is made': { victim: 'control', at: podOnce(() => true) },
  'the Pod runs': { victim: 'control', at: podOnce(({ status }) => status?.phase === 'Running') },
};

const LIMIT = { timeout: 240_000 };
const SETTLED_MS = 60_000;

test(
  'kill -9 during a head start: the request is answered, one program is started, nothing is left',
  LIMIT,
  async () => {
    await using it = await startPlatform();
    const { client, transport } = connect(it);
    await using _ = transport;
    const bed = { it, client };
    const services = [...Object.keys(moments), 'nobody has heard'].map(
      (_name, index) => `s${index}`,
    );
    const urls = await deployAtZero(bed, services);
    const pods = new Map<string, Set<string>>(services.map((service) => [service, new Set()]));
    const following = { clock: systemClock, random: systemRandom, log: silentLog };
    await using informer = new Informer(Pod, {
      ...following,
      client,
      signal: new AbortController().signal,
    });
    informer.onChange(({ current }) => {
      const { labels = {}, uid = '' } = current?.metadata ?? {};
      pods.get(labels['serving.knative.dev/service'] ?? '')?.add(uid);
    });
    await informer.synced();

    for (const [index, [name, { victim, at }]] of Object.entries(moments).entries()) {
      const service = services[index] ?? '';
      await settled(bed, services.length);
      const stop = new AbortController();
      const moment = await at(bed, service, stop.signal);
      const answer = call(urls.get(service) ?? '');
      await moment.came;
      stop.abort();
      process.kill(await pidOfVictim(it, victim), 'SIGKILL');
      const { status, tookMs } = await answer;
      process.stdout.write(
        `${victim} killed when ${name}: answered after ${tookMs.toFixed(0)} ms\n`,
      );
      assert.equal(status, 200, name);
      if (victim === 'supervisor') assert.equal((await it.knode('up', '-d')).code, 0);
    }
    await settled(bed, services.length);
    await unheard(bed, urls.get(services.at(-1) ?? '') ?? '');
    await it.ok(['wait', 'pod', '--all', '--for=delete', '--timeout=60s']);
    await settled(bed, services.length);
    assert.deepEqual(
      [...pods].filter(([, uids]) => uids.size !== 1),
      [],
      'a service had another number of pods than one',
    );
    // By now and when it was deployed.
    for (const service of services) assert.equal(await programStarts(it, service), 2, service);
    await assertNothingElse(it, services.length);
  },
);

/** Services that have been Ready and are at zero again. */
async function deployAtZero(
  { it }: Bed,
  services: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const image = await sampleImage(it);
  const annotations = { 'autoscaling.knative.dev/window': '6s' };
  const items = services.map((name) => ({
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name, namespace: 'default' },
    spec: { template: { metadata: { annotations }, spec: { containers: [{ image }] } } },
  }));
  await it.ok(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  await it.ok(['wait', 'ksvc', '--all', '--for=condition=Ready', '--timeout=60s']);
  await it.ok(['wait', 'pod', '--all', '--for=delete', '--timeout=60s']);
  const urls = '{range .items[*]}{.metadata.name} {.status.url} {end}';
  const words = (await it.ok(['get', 'ksvc', '-o', `jsonpath=${urls}`])).trim().split(' ');
  return new Map(services.map((name) => [name, words[words.indexOf(name) + 1] ?? '']));
}

/** Resolves when each of so many services has either a pod or a prepared sandbox, and nothing is under way. */
async function settled({ it, client }: Bed, services: number): Promise<void> {
  let seen: unknown;
  for (const deadlineMs = performance.now() + SETTLED_MS; performance.now() < deadlineMs;) {
    const pods = await client.list(Pod, { namespace: 'default' }).catch(() => undefined);
    const { prepared } = JSON.parse((await it.knode('status', '-o', 'json')).stdout || '{}') as {
      prepared?: PreparedCounts;
    };
    seen = { prepared, pods: pods?.items.length };
    const isIdle = prepared?.making === 0 && prepared.starting === 0;
    if (isIdle && pods && prepared.ready + pods.items.length === services) return;
    await sleep(systemClock, 100);
  }
  assert.fail(`not every service has a pod or a sandbox: ${JSON.stringify(seen)}`);
}

async function pidOfVictim({ home }: Platform, victim: string): Promise<number> {
  if (victim !== 'supervisor') return pidOf(home, victim);
  const answer = await askSupervisor(pathsOf(home).supervisorSocket, { type: 'status' });
  assert.ok(answer);
  return answer.pid;
}

/** runc's fifo goes when a container has begun its program. */
async function fifoUnlinked(
  { it }: Bed,
  _service: string,
  signal: AbortSignal,
): Promise<{ came: Promise<void> }> {
  const folder = path.join(runtimeFolder(instanceOf(it.home)), 'state');
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const id of readdirSync(folder)) {
    watch(path.join(folder, id), { signal }, (_event, file) => {
      if (file === 'exec.fifo') resolve();
    });
  }
  return { came: promise };
}

function scaled(kind: Kind<Deployment> | Kind<ReplicaSet>): Moment {
  return async ({ client }, service, signal) =>
    await objectOnce(client, kind as Kind<Deployment>, {
      service,
      signal,
      isTrue: ({ spec }) => spec?.replicas === 1,
    });
}

function podOnce(isTrue: (pod: Pod) => boolean): Moment {
  return async ({ client }, service, signal) =>
    await objectOnce(client, Pod, { service, signal, isTrue });
}

async function objectOnce<T extends KubeObject>(
  client: Client,
  kind: Kind<T>,
  {
    service,
    signal,
    isTrue,
  }: {
    readonly service: string;
    readonly signal: AbortSignal;
    readonly isTrue: (object: T) => boolean;
  },
): Promise<{ came: Promise<void> }> {
  const labelSelector = `serving.knative.dev/service=${service}`;
  const { resourceVersion } = await client.list(kind, { namespace: 'default', labelSelector });
  const watching = client.watch(
    kind,
    { namespace: 'default', labelSelector, resourceVersion },
    signal,
  );
  const came = (async () => {
    for await (const event of watching)
      if (event.type !== 'BOOKMARK' && isTrue(event.object)) return;
    assert.fail(`${kind.kind} of ${service}: the moment did not come`);
  })();
  return { came };
}

/** Control has not read what the gateway says when it is killed. */
async function unheard({ it }: Bed, url: string): Promise<void> {
  const pid = pidOf(it.home, 'control');
  process.kill(pid, 'SIGSTOP');
  const answer = call(url);
  // Nothing tells that the demand is in the socket; where it is not yet, control is merely away.
  await sleep(systemClock, 100);
  process.kill(pid, 'SIGKILL');
  const { status, tookMs } = await answer;
  process.stdout.write(`control killed before it heard: answered after ${tookMs.toFixed(0)} ms\n`);
  assert.equal(status, 200);
}

/** As its programs said in their logs, which are kept. */
async function programStarts(it: Platform, service: string): Promise<number> {
  const { code, stdout, stderr } = await it.knode('logs', service);
  assert.equal(code, 0, stderr);
  return stdout.split('listening on').length - 1;
}

/** The machine has so many containers, with one conmon, network and record each. */
async function assertNothingElse({ home }: Platform, count: number): Promise<void> {
  const instance = instanceOf(home);
  const records = await readPodRecords(path.join(home, 'agent/pods'));
  const ids = records.flatMap(({ record }) =>
    Object.values(record?.containers ?? {}).map(({ id }) => id),
  );
  assert.equal(records.length, count);
  assert.deepEqual(
    readdirSync(path.join(runtimeFolder(instance), 'state')).toSorted(),
    ids.toSorted(),
  );
  const { processes, links } = await machineTraces();
  const conmons = processes.filter(
    (command) => /conmon\b/.test(command) && command.includes(instance),
  );
  assert.equal(conmons.length, count);
  assert.equal(links.filter((link) => link.startsWith(interfacePrefix(instance))).length, count);
}
