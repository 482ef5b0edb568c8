import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Client } from '#client/client.ts';
import { createClient } from '#client/create-client.ts';
import { httpsTransport } from '#client/https-transport.ts';
import { parseKubeconfig } from '#client/kubeconfig.ts';
import type { Platform } from '#test/support/platform.ts';

/** The platform's API, as its administrator. */
export function connect(it: Platform): { client: Client; transport: AsyncDisposable } {
  const kubeconfig = readFileSync(path.join(it.home, 'kubeconfig'), 'utf8');
  const transport = httpsTransport(parseKubeconfig(kubeconfig));
  return { client: createClient(transport.send), transport };
}
