import { statfs } from 'node:fs/promises';
import type { Clock } from '#base/clock.ts';
import { machineResources, type MachineResources } from '#base/machine-resources.ts';
import type { NodeCondition } from '#api/generated/core-v1.ts';
import { timestamp } from '#api/meta/timestamp.ts';

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

/** How much there is, and how much there has to be. */
export interface Shortage {
  readonly available: number;
  readonly threshold: number;
}

/** Of what less than that is too little; Kubernetes' figures where absent. */
export interface Thresholds {
  readonly memoryBytes?: number;
  readonly processes?: number;
}

/** What the machine is short of, and by how much. */
export function shortagesOf(
  { memory, disk, inodes, processes }: MachineResources,
  thresholds: Thresholds = {},
): ReadonlyMap<Pressure, Shortage> {
  const {
    memoryBytes: memoryMin = MEMORY_BYTES_MIN,
    processes: processesMin = processes.total * PROCESSES_SHARE_MIN,
  } = thresholds;
  const looks: readonly (readonly [Pressure, number, number])[] = [
    ['MemoryPressure', memory.available, memoryMin],
    ['DiskPressure', inodes.available, inodes.total * INODES_SHARE_MIN],
    ['DiskPressure', disk.available, diskBytesMin(disk.total)],
    ['PIDPressure', processes.available, processesMin],
  ];
  return new Map(
    looks
      .filter(([, available, threshold]) => available < threshold)
      .map(([pressure, available, threshold]) => [pressure, { available, threshold }]),
  );
}

function diskBytesMin(total: number): number {
  return Math.min(total * DISK_SHARE_MIN, DISK_BYTES_MIN);
}

export interface NodePressureOptions {
  readonly clock: Clock;
  /** On the file system that pods and images fill. */
  readonly folder: string;
  readonly thresholds?: Thresholds;
}

/** What the node says of its machine's resources; looked at with every heartbeat. */
export class NodePressure {
  readonly #clock: Clock;
  readonly #folder: string;
  readonly #thresholds: Thresholds;
  readonly #seenMs = new Map<Pressure, number>();

  constructor({ clock, folder, thresholds = {} }: NodePressureOptions) {
    this.#clock = clock;
    this.#folder = folder;
    this.#thresholds = thresholds;
  }

  /** Whether the disk has too little room now: the least that can be asked, for whoever asks often. */
  async isDiskFull(): Promise<boolean> {
    const { bavail, blocks, bsize } = await statfs(this.#folder);
    return bavail * bsize < diskBytesMin(blocks * bsize);
  }

  /** What the machine is short of now. */
  async look(): Promise<ReadonlyMap<Pressure, Shortage>> {
    const now = this.#clock.monotonicMs();
    const found = shortagesOf(await machineResources(this.#folder), this.#thresholds);
    for (const pressure of found.keys()) this.#seenMs.set(pressure, now);
    for (const [pressure, seenMs] of this.#seenMs)
      if (now - seenMs >= OVER_MS) this.#seenMs.delete(pressure);
    return found;
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
