import { isIP } from 'node:net';
import { parseArgs } from 'node:util';
import { hostname } from 'node:os';
import type { Settings } from '#supervisor/settings.ts';

/** A Kubernetes that is not this home's own. */
export interface ForeignCluster {
  /** The file that says where it is, and as whom. */
  readonly kubeconfig: string;
  /** Of this machine, as the cluster's pods and its API server reach it. */
  readonly address: string;
  readonly webhookPort: number;
}

export interface PartFlags {
  readonly settings: Settings;
  /** Start with what can be proven of a damaged store, and say what is lost. */
  readonly acceptLoss: boolean;
  /** Absent where the API is this home's own. */
  readonly foreign?: ForeignCluster;
}

/** The flags of `knode run PART`, which are the supervisor's settings spelled out. */
export function parsePartFlags(home: string, args: readonly string[]): PartFlags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      'http-port': { type: 'string', default: '80' },
      'https-port': { type: 'string', default: '443' },
      'api-port': { type: 'string', default: '6443' },
      'registry-port': { type: 'string', default: '5000' },
      'node-name': { type: 'string', default: hostname().toLowerCase() },
      listen: { type: 'string', multiple: true, default: [] },
      'accept-loss': { type: 'boolean', default: false },
      kubeconfig: { type: 'string' },
      address: { type: 'string' },
      'webhook-port': { type: 'string', default: '8443' },
    },
  });
  return {
    settings: {
      home,
      nodeName: values['node-name'],
      httpPort: Number(values['http-port']),
      httpsPort: Number(values['https-port']),
      apiPort: Number(values['api-port']),
      registryPort: Number(values['registry-port']),
      listen: values.listen,
    },
    acceptLoss: values['accept-loss'],
    ...(values.kubeconfig !== undefined && {
      foreign: {
        kubeconfig: values.kubeconfig,
        address: addressOf(values.address),
        webhookPort: Number(values['webhook-port']),
      },
    }),
  };
}

/** No pod reaches this machine's loopback, and Kubernetes takes no endpoint there. */
function addressOf(address = ''): string {
  if (isIP(address) !== 0 && !/^(127\.|::1$)/.test(address)) return address;
  throw new Error(
    `Cannot work for another cluster at "${address}": --address takes the IP address by which its pods reach this machine`,
  );
}
