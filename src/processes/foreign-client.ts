import { readFileSync } from 'node:fs';
import path from 'node:path';
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

/** A client of the cluster that a kubeconfig file names; `resources` owns its connections. Files that it names are beside it. */
export function kubeconfigClient(file: string, resources: AsyncDisposableStack): Client {
  const readFile = (name: string): string =>
    readFileSync(path.resolve(path.dirname(file), name), 'utf8');
  const target = parseKubeconfig(readFileSync(file, 'utf8'), { readFile });
  return createClient(resources.use(httpsTransport(target)).send);
}
