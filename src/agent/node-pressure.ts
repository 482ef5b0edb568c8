import type { Clock } from '#base/clock.ts';
import { machineResources, type MachineResources } from '#base/machine-resources.ts';
import type { NodeCondition } from '#api/generated/core-v1.ts';
import { timestamp } from '#agent/pods/pod-status.ts';

/** Of what the machine has too little, by the condition that says so. */
export type Pressure = 'MemoryPressure' | 'DiskPressure' | 'PIDPressure';

/** The kubelet's thresholds, and its words; but a tenth of a large disk is room enough for pods. */
const MEMORY_BYTES_MIN = 100 * 1024 * 1024;
const DISK_SHARE_MIN = 0.1;
const DISK_BYTES_MIN = 5 * 1024 * 1024 * 1024;
const INODES_SHARE_MIN = 0.05;
const PROCESSES_SHARE_MIN = 0.05;
/** A pressure is said to be over when it has not been seen for so long: pods would come and go with it. */
const OVER_MS = 5 * 60_000;
const WORDS: Readonly<Record<Pressure, readonly [short: string, enough: string, what: string]>> = {
  MemoryPressure: ['KubeletHasInsufficientMemory', 'KubeletHasSufficientMemory', 'memory'],
  DiskPressure: ['KubeletHasDiskPressure', 'KubeletHasNoDiskPressure', 'disk space'],
  PIDPressure: ['KubeletHasInsufficientPID', 'KubeletHasSufficientPID', 'PID'],
};

export function pressuresOf({
  memory,
  disk,
  inodes,
  processes,
}: MachineResources): ReadonlySet<Pressure> {
  const isShort = (
    { available, total }: { readonly available: number; readonly total: number },
    share: number,
  ): boolean => total > 0 && available < total * share;
  const found = new Set<Pressure>();
  if (memory.available < MEMORY_BYTES_MIN) found.add('MemoryPressure');
  const isDiskShort = isShort(disk, DISK_SHARE_MIN) && disk.available < DISK_BYTES_MIN;
  if (isDiskShort || isShort(inodes, INODES_SHARE_MIN)) found.add('DiskPressure');
  if (isShort(processes, PROCESSES_SHARE_MIN)) found.add('PIDPressure');
  return found;
}

/** What the node says of its machine's resources; looked at with every heartbeat. */
export class NodePressure {
  readonly #clock: Clock;
  readonly #folder: string;
  readonly #seenMs = new Map<Pressure, number>();

  /** `folder` is on the file system that pods and images fill. */
  constructor(clock: Clock, folder: string) {
    this.#clock = clock;
    this.#folder = folder;
  }

  async look(): Promise<void> {
    const now = this.#clock.monotonicMs();
    for (const pressure of pressuresOf(await machineResources(this.#folder)))
      this.#seenMs.set(pressure, now);
    for (const [pressure, seenMs] of this.#seenMs)
      if (now - seenMs >= OVER_MS) this.#seenMs.delete(pressure);
  }

  /** As of the last look. */
  conditions(): readonly NodeCondition[] {
    const now = timestamp(this.#clock.now());
    return (Object.keys(WORDS) as Pressure[]).map((type) => {
      const [short, enough, what] = WORDS[type];
      const isShort = this.#seenMs.has(type);
      return {
        type,
        status: isShort ? 'True' : 'False',
        reason: isShort ? short : enough,
        message: `the machine has ${isShort ? 'too little' : 'enough'} ${what}`,
        lastHeartbeatTime: now,
        lastTransitionTime: now,
      };
    });
  }
}
