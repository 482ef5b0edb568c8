import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { systemRandom } from '#base/random.ts';
import type { Client } from '#client/client.ts';
import { coreControllers } from '#controllers/core/core-controllers.ts';
import { openApi } from '#processes/api.ts';
import { ensureClusterObjects } from '#processes/cluster-objects.ts';
import { runControllers } from '#reconcile/run-controllers.ts';
import type { FeedLimits } from '#store/change-feed.ts';
import { openMemoryStore } from '#store/memory/memory-store.ts';
import type { Store } from '#store/store.ts';
import { pathsOf } from '#supervisor/settings.ts';

/** The API server and Kubernetes' own controllers, as control wires them, for programs that have only a kubeconfig. */
export interface ControlPlane extends AsyncDisposable {
  /** A folder of its own; clients may keep their things here. */
  readonly home: string;
  /** Path of the administrator's kubeconfig. */
  readonly kubeconfig: string;
  readonly port: number;
  readonly store: Store;
  /** In process, as the platform itself. */
  readonly client: Client;
}

/** Starts one on a free port, with a store in memory and nobody who runs pods. */
export async function startControlPlane(limits: FeedLimits = {}): Promise<ControlPlane> {
  const resources = new AsyncDisposableStack();
  const home = mkdtempSync(path.join(process.env['KNODE_TEST_WORK'] ?? tmpdir(), 'clients-'));
  resources.defer(() => rmSync(home, { recursive: true, force: true }));
  mkdirSync(pathsOf(home).run);
  const stop = new AbortController();
  const parts = { clock: systemClock, random: systemRandom, log: silentLog, signal: stop.signal };
  const store = resources.use(await openMemoryStore(limits));
  const port = await freePort();
  const addresses = {
    podFacing: '127.0.0.2',
    apiPort: port,
    apiService: '10.96.0.1',
    dnsService: '10.96.0.10',
  };
  const api = resources.use(
    await openApi({
      ...parts,
      ...addresses,
      settings: {
        home,
        nodeName: 'here',
        httpPort: 0,
        apiPort: port,
        registryPort: 0,
        listen: [],
        acceptLoss: false,
      },
      done: () => undefined,
      store,
      serviceRange: '10.96.0.0/16',
      reserved: [addresses.apiService, addresses.dnsService],
      readiness: () => [],
      connections: [],
      generateName: () => undefined,
    }),
  );
  await ensureClusterObjects(api.client, addresses);
  await api.serve();
  const core = coreControllers({ kinds: api.kinds, caPem: api.authority });
  resources.use(await runControllers({ client: api.client, ...core, ...parts }));
  resources.defer(() => stop.abort());
  return {
    home,
    kubeconfig: pathsOf(home).kubeconfig,
    port,
    store,
    client: api.client,
    [Symbol.asyncDispose]: async () => await resources.disposeAsync(),
  };
}

/** The kubeconfig names the port before anybody listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo; // A TCP server that listens has one.
  server.close();
  await once(server, 'close');
  return port;
}
