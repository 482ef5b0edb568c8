import { mkdir, readFile } from 'node:fs/promises';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { systemRandom } from '#base/random.ts';
import { notFound } from '#api/meta/api-error.ts';
import { Pod } from '#api/core-v1/pod.ts';
import type { StreamConnection } from '#apiserver/upgrade/stream-source.ts';
import { followSettings, LiveSettings } from '#client/live-settings.ts';
import { coreControllers } from '#controllers/core/core-controllers.ts';
import { openApi } from '#processes/api.ts';
import { ensureClusterObjects } from '#processes/cluster-objects.ts';
import { localVolumes } from '#processes/local-volumes.ts';
import { runControllers } from '#reconcile/run-controllers.ts';
import { openMemoryStore } from '#store/memory/memory-store.ts';
import type { Revision } from '#store/store.ts';
import { choosePort } from '#supervisor/ports.ts';
import { Metrics } from '#telemetry/metrics.ts';
import { pathsOf } from '#supervisor/settings.ts';

/** A cluster to send requests to, and how to be its administrator. */
export interface BareCluster extends AsyncDisposable {
  readonly kubeconfig: string;
  /** Forgets all versions up to this one, as time does in a cluster that is used. */
  readonly compact: (resourceVersion: string) => Promise<void>;
}

/** Of the loopback network: no machine lacks it, and no other listener of this process is there. */
const POD_FACING = '127.0.0.2';
const SERVICES = '10.96.0.0/16';
const API_SERVICE = '10.96.0.1';
const DNS_SERVICE = '10.96.0.10';

function noPods(subresource: StreamConnection['subresource']): StreamConnection {
  const { group, plural } = Pod;
  const open = ({ name }: { readonly name: string }): Promise<never> =>
    Promise.reject(notFound(Pod, name));
  return { group, plural, subresource, open };
}

/** The API and the controllers of Kubernetes' own kinds, wired as in control, on a store in memory; no agent. */
export async function startEmbeddedCluster(home: string): Promise<BareCluster> {
  await using resources = new AsyncDisposableStack();
  const stop = new AbortController();
  const { signal } = stop;
  const parts = { clock: systemClock, random: systemRandom, log: silentLog, signal };
  await mkdir(pathsOf(home).run, { recursive: true });
  const apiPort = await choosePort(0, '--api-port');
  const store = resources.use(await openMemoryStore());
  resources.defer(() => stop.abort());
  const live = new LiveSettings();
  const api = resources.use(
    await openApi({
      ...parts,
      store,
      serving: live.current,
      settings: {
        home,
        nodeName: 'node',
        httpPort: 80,
        httpsPort: 443,
        apiPort,
        registryPort: 5000,
        listen: [],
      },
      acceptLoss: false,
      done: () => undefined,
      serviceRange: SERVICES,
      apiService: API_SERVICE,
      reserved: [API_SERVICE, DNS_SERVICE],
      podFacing: POD_FACING,
      readiness: () => [],
      connections: [],
      metrics: { pods: () => [], nodes: () => [] },
      // Nobody runs pods here, so that none is there to connect to.
      streams: [noPods('exec'), noPods('portforward')],
      measured: new Metrics(),
      generateName: () => undefined,
    }),
  );
  await ensureClusterObjects(api.client, {
    // As pods would know it, of which there are none; loopback is nothing that a Service leads to.
    podFacing: '192.0.2.1',
    apiPort,
    // Nothing listens there.
    registryPort: 5000,
    apiService: API_SERVICE,
    dnsService: DNS_SERVICE,
  });
  resources.use(await followSettings(live, { ...parts, client: api.client }));
  await api.serve();
  const core = coreControllers({
    kinds: api.kinds,
    folders: localVolumes(home),
    caPem: api.authority,
  });
  resources.use(await runControllers({ ...parts, ...core, client: api.client }));
  const owned = resources.move();
  return {
    kubeconfig: await readFile(pathsOf(home).kubeconfig, 'utf8'),
    // A resourceVersion is the store's revision in decimal.
    compact: async (resourceVersion) => await store.compact(Number(resourceVersion) as Revision),
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  };
}
