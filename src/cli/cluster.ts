import type { Client } from '#client/client.ts';
import { createClient } from '#client/create-client.ts';
import { httpsTransport } from '#client/https-transport.ts';
import { parseKubeconfig } from '#client/kubeconfig.ts';
import { readKubeconfig } from './kubeconfig.ts';
import type { Invocation } from './invocation.ts';

export interface Cluster extends AsyncDisposable {
  readonly client: Client;
}

/** The cluster of this home, as its administrator. */
export function connect(invocation: Invocation): Cluster {
  const transport = httpsTransport(parseKubeconfig(readKubeconfig(invocation.home)));
  return {
    client: createClient(transport.send),
    [Symbol.asyncDispose]: async () => await transport[Symbol.asyncDispose](),
  };
}
