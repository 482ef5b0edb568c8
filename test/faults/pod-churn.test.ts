import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { systemRandom } from '#base/random.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Service } from '#api/core-v1/service.ts';
import { createClient } from '#client/create-client.ts';
import { httpsTransport } from '#client/https-transport.ts';
import { Informer } from '#client/informer.ts';
import { parseKubeconfig } from '#client/kubeconfig.ts';
import { instanceOf } from '#supervisor/settings.ts';
import { reportFault, scaled } from '#test/support/fault-report.ts';
import { settledHeapOf } from '#test/support/inspected-heap.ts';
import { machineTraces } from '#test/support/machine-traces.ts';
import { pidOf, run, startPlatform, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

const PODS = scaled(500);
const AT_ONCE = 8;
/** What fills caches, pools and the compiled code's memory once. */
const WARM_UP = 16;
/**
 * What is in use after a collection is what somebody keeps. Some of it is compiled code, and the past that watches may begin
 * in is of ten to twenty thousand changes.
 */
const HEAP_BYTES_MAX = 12 * 1024 * 1024;
/** With so many after them, no change of a pod is in the past any more. */
const CHANGES = 20_001;
/** So many that they share the disk's turns. */
const WRITERS = 100;

/** Connections and programs come and go by themselves. */
const HANDLES_MAX = 8;

/** Ends by itself, at once or when told to. */
const SCRIPTS = [
  '0',
  'process.exit(3)',
  "process.on('SIGTERM', () => process.exit()); setInterval(() => {}, 1000)",
];

function pod(name: string, at: number, image: string): Pod {
  const volumes = [
    { name: 'disk', emptyDir: {} },
    { name: 'memory', emptyDir: { medium: 'Memory' } },
  ];
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', labels: { app: 'churn' } },
    spec: {
      restartPolicy: 'Never',
      terminationGracePeriodSeconds: 1,
      volumes,
      containers: [
        {
          name: 'main',
          image,
          command: ['node', '-e', SCRIPTS[at % SCRIPTS.length] ?? '0'],
          volumeMounts: volumes.map((volume) => ({
            name: volume.name,
            mountPath: `/${volume.name}`,
          })),
        },
      ],
    },
  };
}

/** Makes `count` pods, a few at once; each runs, then goes. */
async function churn(
  { client, pods }: { client: ReturnType<typeof createClient>; pods: Informer<Pod> },
  { prefix, count, image }: { prefix: string; count: number; image: string },
): Promise<void> {
  let next = 0;
  const one = async (): Promise<void> => {
    for (let at = next; at < count; at = next) {
      next += 1;
      const name = `${prefix}-${at}`;
      const ref = { namespace: 'default', name };
      await client.create(Pod, pod(name, at, image));
      const hasRun = (): boolean => {
        const { phase = 'Pending' } = pods.get(ref)?.status ?? {};
        return phase !== 'Pending';
      };
      assert.ok(await pods.until(hasRun, 60_000), `${name} did not run`);
      await client.delete(Pod, ref);
      assert.ok(await pods.until(() => !pods.get(ref), 60_000), `${name} did not go`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, one));
}

interface Usage {
  readonly machine: Readonly<Record<string, readonly string[]>>;
  readonly files: readonly string[];
  readonly rules: string;
  readonly handles: Readonly<Record<string, number>>;
  readonly heapBytes: Readonly<Record<string, number>>;
  readonly zombies: readonly string[];
}

async function usage({ home }: Platform): Promise<Usage> {
  const instance = instanceOf(home);
  const ours = (name: string): boolean => name.includes(instance) || name.includes(home);
  const traces = Object.entries(await machineTraces());
  const machine = Object.fromEntries(
    traces.map(([kind, names]: [string, readonly string[]]) => [kind, names.filter(ours)]),
  );
  const folders = [path.join(home, 'agent'), `/run/knode-${instance}`, path.join(home, 'run')];
  const { stdout } = await run(['nft', 'list', 'table', 'ip', `knode_${instance}`]);
  const parts = ['control', 'gateway'].map((part) => [part, pidOf(home, part)] as const);
  return {
    machine,
    files: folders
      .flatMap((folder) => readdirSync(folder, { recursive: true }).map(String))
      .toSorted(),
    // Who asked for names a moment ago is forgotten by itself.
    rules: stdout.replaceAll(/\n\s*elements = \{[^}]*expires[^}]*\}/g, ''),
    handles: Object.fromEntries(
      parts.map(([part, pid]) => [part, readdirSync(`/proc/${pid}/fd`).length]),
    ),
    heapBytes: await heapsOf(parts),
    zombies: childrenThatEnded(parts.map(([, pid]) => pid)),
  };
}

function partsOf({ home }: Platform): readonly number[] {
  return ['control', 'gateway'].map((part) => pidOf(home, part));
}

async function heapsOf(
  parts: readonly (readonly [part: string, pid: number])[],
): Promise<Record<string, number>> {
  const heaps: Record<string, number> = {};
  for (const [part, pid] of parts) heaps[part] = await settledHeapOf(pid);
  return heaps;
}

/** Of these processes, and nobody has asked how. */
function childrenThatEnded(parents: readonly number[]): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      const [, state, parent] = /\) (\S) (\d+)/.exec(statOf(pid)) ?? [];
      return state === 'Z' && parents.includes(Number(parent)) ? [pid] : [];
    });
}

function statOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return ''; // It is gone.
  }
}

/** Takes away what is kept of pods on purpose: their Events, for an hour, and the past of watches. */
async function forget(it: Platform, client: ReturnType<typeof createClient>): Promise<void> {
  // In one request: kubectl would delete each by itself.
  await it.ok(['delete', '--raw', '/api/v1/namespaces/default/events']);
  let left = CHANGES;
  const write = async (_: unknown, at: number): Promise<void> => {
    const metadata = { name: `past-${at}`, namespace: 'default' };
    const map = { apiVersion: 'v1', kind: 'ConfigMap', metadata };
    for (; left > 0; left -= 1)
      await client.apply(ConfigMap, { ...map, data: { left: String(left) } });
  };
  await Promise.all(Array.from({ length: WRITERS }, write));
}

test(`pods: ${PODS} started and ended leave nothing behind`, async () => {
  await using it = await startPlatform();
  const image = await sampleImage(it);
  const kubeconfig = readFileSync(path.join(it.home, 'kubeconfig'), 'utf8');
  await using transport = httpsTransport(parseKubeconfig(kubeconfig));
  const client = createClient(transport.send);
  const parts = { clock: systemClock, random: systemRandom, log: silentLog };
  const { signal } = new AbortController();
  await using pods = new Informer(Pod, { ...parts, client, signal });
  await pods.synced();
  await client.create(Service, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'churn', namespace: 'default' },
    spec: { selector: { app: 'churn' }, ports: [{ port: 80, targetPort: 8080 }] },
  });
  await churn({ client, pods }, { prefix: 'warm', count: WARM_UP, image });
  await forget(it, client);
  const before = await usage(it);
  const pids = partsOf(it);
  const startMs = performance.now();
  await churn({ client, pods }, { prefix: 'pod', count: PODS, image });
  const tookMs = performance.now() - startMs;
  await forget(it, client);
  const after = await usage(it);
  assert.deepEqual(partsOf(it), pids, 'a part of the platform died meanwhile');
  assert.deepEqual(after.machine, before.machine);
  assert.deepEqual(after.files, before.files);
  assert.deepEqual(after.zombies, []);
  assert.equal(after.rules, before.rules);
  for (const [part, count] of Object.entries(after.handles))
    assert.ok(count < (before.handles[part] ?? 0) + HANDLES_MAX, `${part} has ${count} files open`);
  const grown = Object.entries(after.heapBytes).map(
    ([part, bytes]) => [part, bytes - (before.heapBytes[part] ?? 0)] as const,
  );
  reportFault({
    id: 'pods',
    what: 'started and ended, nothing left',
    count: PODS,
    found: `${(PODS / (tookMs / 1000)).toFixed(1)} a second; in use after a collection: ${grown
      .map(([part, bytes]) => `${part} ${(bytes / 1024 / 1024).toFixed(1)} MB`)
      .join(', ')}`,
  });
  for (const [part, bytes] of grown) assert.ok(bytes < HEAP_BYTES_MAX, `${part} keeps ${bytes}`);
});
