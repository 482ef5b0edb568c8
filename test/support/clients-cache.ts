import { homedir } from 'node:os';
import path from 'node:path';

/** Where the programs are kept that others wrote, and that tests fetch; KNODE_CLIENTS says otherwise. */
export function clientsCache(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache');
  return process.env['KNODE_CLIENTS'] ?? path.join(cache, 'knode-clients');
}

/** Debian's kubectl of 2021, which scripts/fetch-old-kubectl brings. */
export function oldKubectl(): string {
  return path.join(clientsCache(), 'kubectl-1.20');
}
