import { parseArgs } from 'node:util';
import { hostname } from 'node:os';
import type { Settings } from '#supervisor/settings.ts';

export interface PartFlags {
  readonly settings: Settings;
  /** Start with what can be proven of a damaged store, and say what is lost. */
  readonly acceptLoss: boolean;
}

/** The flags of `knode run PART`, which are the supervisor's settings spelled out. */
export function parsePartFlags(home: string, args: readonly string[]): PartFlags {
  const { values } = parseArgs({
    args: [...args],
    options: {
      'http-port': { type: 'string', default: '80' },
      'api-port': { type: 'string', default: '6443' },
      'registry-port': { type: 'string', default: '5000' },
      'node-name': { type: 'string', default: hostname().toLowerCase() },
      listen: { type: 'string', multiple: true, default: [] },
      'accept-loss': { type: 'boolean', default: false },
    },
  });
  return {
    settings: {
      home,
      nodeName: values['node-name'],
      httpPort: Number(values['http-port']),
      apiPort: Number(values['api-port']),
      registryPort: Number(values['registry-port']),
      listen: values.listen,
    },
    acceptLoss: values['accept-loss'],
  };
}
