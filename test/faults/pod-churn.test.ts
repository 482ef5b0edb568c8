import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { systemRandom } from '#base/random.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Service } from '#api/core-v1/service.ts';
import { createClient } from '#client/create-client.ts';
import { httpsTransport } from '#client/https-transport.ts';
import { Informer } from '#client/informer.ts';
import { parseKubeconfig } from '#client/kubeconfig.ts';
import { instanceOf } from '#supervisor/settings.ts';
import { reportFault, scaled } from '#test/support/fault-report.ts';
import { machineTraces } from '#test/support/machine-traces.ts';
import { pidOf, run, startPlatform, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

const PODS = scaled(500);
const AT_ONCE = 8;
/** What fills caches, pools and the compiled code's memory once. */
const WARM_UP = 16;
/** An empty heap is never given back whole; more than this, for so many pods, is kept by somebody. */
const MEMORY_BYTES_MAX = 40 * 1024 * 1024;

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
  readonly memoryBytes: Readonly<Record<string, number>>;
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
    // Which places the kernel gave numbers does not matter.
    rules: stdout.replaceAll(/packets \d+ bytes \d+/g, ''),
    handles: Object.fromEntries(
      parts.map(([part, pid]) => [part, readdirSync(`/proc/${pid}/fd`).length]),
    ),
    memoryBytes: Object.fromEntries(parts.map(([part, pid]) => [part, memoryOf(pid)])),
  };
}

function partsOf({ home }: Platform): readonly number[] {
  return ['control', 'gateway'].map((part) => pidOf(home, part));
}

function memoryOf(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/^RssAnon:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
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
  const before = await usage(it);
  const pids = partsOf(it);
  const startMs = performance.now();
  await churn({ client, pods }, { prefix: 'pod', count: PODS, image });
  const tookMs = performance.now() - startMs;
  const after = await usage(it);
  assert.deepEqual(partsOf(it), pids, 'a part of the platform died meanwhile');
  assert.deepEqual(after.machine, before.machine);
  assert.deepEqual(after.files, before.files);
  for (const [part, count] of Object.entries(after.handles))
    assert.ok(count < (before.handles[part] ?? 0) + HANDLES_MAX, `${part} has ${count} files open`);
  const grown = Object.entries(after.memoryBytes).map(
    ([part, bytes]) => [part, bytes - (before.memoryBytes[part] ?? 0)] as const,
  );
  reportFault({
    id: 'pods',
    what: 'started and ended, nothing left',
    count: PODS,
    found: `${(PODS / (tookMs / 1000)).toFixed(1)} a second; memory ${grown
      .map(([part, bytes]) => `${part} ${(bytes / 1024 / 1024).toFixed(1)} MB`)
      .join(', ')}`,
  });
  for (const [part, bytes] of grown) assert.ok(bytes < MEMORY_BYTES_MAX, `${part} keeps ${bytes}`);
});
