import assert from 'node:assert/strict';
import type { ConfigMap } from '#api/core-v1/config-map.ts';
import { ConfigMap as ConfigMaps } from '#api/core-v1/config-map.ts';
import type { Client } from '#client/client.ts';
import { createClient } from '#client/create-client.ts';
import { httpsTransport } from '#client/https-transport.ts';
import { parseKubeconfig } from '#client/kubeconfig.ts';
import type { BareCluster } from '#test/support/embedded-cluster.ts';
import { startProxy, type BreakableProxy } from './breakable-proxy.ts';

export const NAMESPACE = 'default';

/** A cluster as somebody sees it whose connections break, and who may be gone for longer than history reaches. */
export interface Troubled extends AsyncDisposable {
  /** Leads through what breaks. */
  readonly kubeconfig: string;
  /**
   * An hour of a cluster's life in seconds: ConfigMaps come, change and go while connections are well, while they are
   * broken, and while they are broken and history is forgotten. Each stage ends with a ConfigMap `mark-…`, the last with
   * `mark-end`; `sees` resolves when the watcher was told of it.
   */
  live(sees: (mark: string) => Promise<void>): Promise<Lived>;
}

export interface Lived {
  /** Values of annotation `n` of the ConfigMap `counter` that no watcher may have missed, in order. */
  readonly told: readonly string[];
  /** Its last value. */
  readonly last: string;
  /** Version by name of all that is there in the end. */
  readonly state: Readonly<Record<string, string>>;
}

export async function trouble(cluster: BareCluster): Promise<Troubled> {
  await using resources = new AsyncDisposableStack();
  const target = parseKubeconfig(cluster.kubeconfig);
  const { port } = new URL(target.server);
  const proxy = resources.use(await startProxy(Number(port)));
  const client = createClient(resources.use(httpsTransport(target)).send);
  const owned = resources.move();
  return {
    kubeconfig: cluster.kubeconfig.replaceAll(`:${port}`, `:${proxy.port}`),
    live: async (sees) => await live({ client, cluster, proxy, sees }),
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  };
}

interface Life {
  readonly client: Client;
  readonly cluster: BareCluster;
  readonly proxy: BreakableProxy;
  readonly sees: (mark: string) => Promise<void>;
}

/** A stage of connections that are broken is short: the longer it takes, the longer client-go waits after it. */
const CHANGES = 12;

async function live({ client, cluster, proxy, sees }: Life): Promise<Lived> {
  let n = 0;
  const churn = async (): Promise<void> => {
    for (let change = 0; change < CHANGES; change += 1) {
      n += 1;
      await client.apply(ConfigMaps, configMap('counter', { n: String(n) }));
      await client.apply(ConfigMaps, configMap(`guest-${n}`));
      if (n % 3 === 0) await client.delete(ConfigMaps, refTo(`guest-${n - 1}`));
    }
  };
  const mark = async (name: string): Promise<void> => {
    await client.apply(ConfigMaps, configMap(name));
  };
  const forget = async (): Promise<void> => {
    const { resourceVersion } = await client.list(ConfigMaps, { namespace: NAMESPACE });
    await cluster.compact(resourceVersion);
  };

  await churn();
  await forget(); // Whoever is connected needs no history.
  await churn();
  await mark('mark-calm');
  await sees('mark-calm');
  await proxy.break();
  await churn();
  await mark('mark-broken');
  await proxy.mend();
  await sees('mark-broken');
  const told = Array.from({ length: n }, (_, index) => String(index + 1));
  await proxy.break();
  await churn();
  await forget();
  await mark('mark-forgotten');
  await forget();
  await proxy.mend();
  await sees('mark-forgotten');
  await mark('mark-end'); // Told after all of the list before it, which comes in any order.
  await sees('mark-end');
  return { told, last: String(n), state: await stateOf(client) };
}

async function stateOf(client: Client): Promise<Record<string, string>> {
  const { items } = await client.list(ConfigMaps, { namespace: NAMESPACE });
  return Object.fromEntries(
    items.map(({ metadata }) => [metadata.name ?? '', metadata.resourceVersion ?? '']),
  );
}

function refTo(name: string): { readonly namespace: string; readonly name: string } {
  return { namespace: NAMESPACE, name };
}

function configMap(name: string, annotations: Readonly<Record<string, string>> = {}): ConfigMap {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { ...refTo(name), annotations } };
}

/** What a watcher was told of `counter`, against what happened: nothing missed that it could see, nothing out of order. */
export function assertTold(counts: readonly string[], { told, last }: Lived): void {
  assert.deepEqual(counts.slice(0, told.length), told);
  const numbers = counts.map(Number);
  assert.deepEqual(
    numbers,
    [...new Set(numbers)].toSorted((one, other) => one - other),
  );
  assert.equal(counts.at(-1), last);
}
