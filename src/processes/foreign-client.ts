import { readFileSync } from 'node:fs';
import type { Client } from '#client/client.ts';
import { createClient } from '#client/create-client.ts';
import { httpsTransport } from '#client/https-transport.ts';
import { parseKubeconfig } from '#client/kubeconfig.ts';
import type { ForeignCluster, PartFlags } from './part-flags.ts';

/** The cluster that a part is to work for which has no API of its own. Throws where none was named. */
export function foreignOf(part: string, { foreign }: PartFlags): ForeignCluster {
  if (foreign) return foreign;
  throw new Error(`Cannot run ${part} without --kubeconfig FILE, which names a Kubernetes`);
}

/** A client of that cluster; `resources` owns its connections. */
export function foreignClient(cluster: ForeignCluster, resources: AsyncDisposableStack): Client {
  const kubeconfig = readFileSync(cluster.kubeconfig, 'utf8');
  return createClient(resources.use(httpsTransport(parseKubeconfig(kubeconfig))).send);
}
