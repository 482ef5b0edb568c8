import os from 'node:os';
import type { Usage } from '#agent/runtime/runtime.ts';

const NANOS_PER_MS = 1e6;

/** What the whole machine uses, knode and everything else on it; its memory is what is not available to programs. */
export function machineUsage(): Pick<Usage, 'cpuNanos' | 'memoryBytes'> {
  const busyMs = os
    .cpus()
    .reduce((sum, { times: { user, nice, sys, irq } }) => sum + user + nice + sys + irq, 0);
  return { cpuNanos: busyMs * NANOS_PER_MS, memoryBytes: os.totalmem() - os.freemem() };
}
