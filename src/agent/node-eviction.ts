import { sleep, type Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import {
  evictionMessage,
  evictionVictim,
  type PodUse,
  type Scarce,
} from '#agent/eviction-order.ts';
import type { NodePressure, Pressure, Shortage } from '#agent/node-pressure.ts';
import { EVICTED_GRACE_MS, foldersOf, type PodFate } from '#agent/pods/pod-limits.ts';
import type { PodSandbox } from '#agent/pods/pod-sandbox.ts';
import type { EventText } from '#reconcile/record-event.ts';
import type { Runtime } from '#agent/runtime/runtime.ts';
import { diskUsage } from '#agent/volumes/disk-usage.ts';

/** A pod that runs, or tries to. */
export interface EvictablePod {
  readonly pod: Pod;
  readonly sandbox: Pick<PodSandbox, 'record' | 'folder' | 'bundleOf' | 'container'>;
  /** Ends it for good; resolves when it has ended and holds nothing any more. */
  evict(fate: PodFate): Promise<void>;
}

export interface NodeEvictionOptions {
  readonly pressure: Pick<NodePressure, 'look' | 'isDiskFull'>;
  readonly pods: () => readonly EvictablePod[];
  readonly runtime: Pick<Runtime, 'usage'>;
  /** Says of the node what it is short of, so that nothing comes in place of what is ended. */
  readonly report: () => Promise<void>;
  /** Tells of the node what is being done about it. */
  readonly tell: (event: Pick<EventText, 'type' | 'reason' | 'message'>) => Promise<void>;
  /** Frees what nobody needs of the disk. */
  readonly makeRoom: (signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly log: Log;
}

/** The kubelet's. */
const PERIOD_MS = 10_000;
/** A disk can be filled in less than that, and then nothing can be written down any more. */
const DISK_LOOK_MS = 1_000;
const SCARCE: readonly (readonly [Pressure, Scarce])[] = [
  ['MemoryPressure', 'memory'],
  ['DiskPressure', 'ephemeral-storage'],
  ['PIDPressure', 'pids'],
];

/**
 * Ends pods while the machine is short of memory, disk or processes: the one that Kubernetes would end first, then it looks again.
 * Before the disk costs a pod, what nobody needs of it goes.
 */
export class NodeEviction {
  readonly #options: NodeEvictionOptions;

  constructor(options: NodeEvictionOptions) {
    this.#options = options;
  }

  /** Looks until `signal` is aborted. */
  async keep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      let isShort = false;
      const look = async (): Promise<void> => void (isShort = await this.look(signal));
      await this.#attempt('relieved', look, signal);
      await this.#rest(isShort ? PERIOD_MS : DISK_LOOK_MS, signal).catch((error: unknown) => {
        if (!signal.aborted) throw error;
      });
    }
  }

  /** Until it is time for the next look: a period, or when the disk has filled since the last one. */
  async #rest(diskLookMs: number, signal: AbortSignal): Promise<void> {
    const { clock, pressure } = this.#options;
    for (let restMs = PERIOD_MS; restMs > 0; restMs -= diskLookMs) {
      await sleep(clock, diskLookMs, signal);
      if (await pressure.isDiskFull()) return;
    }
  }

  /** Ends at most one pod; says whether the machine is short of something. */
  async look(signal: AbortSignal): Promise<boolean> {
    const { pressure, report, tell, makeRoom } = this.#options;
    let shortages = await pressure.look();
    if (!SCARCE.some(([name]) => shortages.has(name))) return false;
    // On a full disk that fails, and a pod has to go all the more.
    const isTold = await this.#attempt('told of', report, signal);
    for (const [name, scarce] of SCARCE) if (shortages.has(name)) await tell(reclaiming(scarce));
    if (shortages.has('DiskPressure')) {
      await this.#attempt('cleared', () => makeRoom(signal), signal);
      shortages = await pressure.look();
    }
    for (const [name, scarce] of SCARCE) {
      const shortage = shortages.get(name);
      if (!shortage || !(await this.#evictOne(scarce, shortage))) continue;
      if (!isTold) await this.#attempt('told of', report, signal);
      break;
    }
    return true;
  }

  async #attempt(deed: string, task: () => Promise<void>, signal: AbortSignal): Promise<boolean> {
    try {
      await task();
      return true;
    } catch (error) {
      const failure = `agent: a machine that is short of something could not be ${deed}`;
      if (!signal.aborted) this.#options.log.warn(failure, { error });
      return false;
    }
  }

  async #evictOne(scarce: Scarce, shortage: Shortage): Promise<boolean> {
    const uses = await Promise.all(
      this.#options.pods().map(async (each) => ({ ...each, ...(await this.#useOf(each, scarce)) })),
    );
    const victim = evictionVictim(uses, scarce);
    if (!victim) return false;
    const message = evictionMessage(victim, scarce, shortage);
    await victim.evict({ reason: 'Evicted', message, graceMs: EVICTED_GRACE_MS });
    return true;
  }

  async #useOf({ pod, sandbox }: EvictablePod, scarce: Scarce): Promise<PodUse> {
    const { containers: folders, volumes } = foldersOf(pod, sandbox);
    const used = await Promise.all(
      Object.entries(sandbox.record.containers).map(async ([name, { id, terminated }]) => {
        if (scarce === 'ephemeral-storage')
          return [name, await diskUsage(folders[name] ?? [], Infinity)] as const;
        const usage = terminated ? undefined : await this.#options.runtime.usage(id);
        const { memoryBytes = 0, processes = 0 } = usage ?? {};
        return [name, scarce === 'memory' ? memoryBytes : processes] as const;
      }),
    );
    const inVolumes = scarce === 'ephemeral-storage' ? await diskUsage(volumes, Infinity) : 0;
    const amount = used.reduce((sum, [, each]) => sum + each, inVolumes);
    return { pod, amount, containers: Object.fromEntries(used) };
  }
}

/** Kubernetes' words. */
function reclaiming(scarce: Scarce): Pick<EventText, 'type' | 'reason' | 'message'> {
  const message = `Attempting to reclaim ${scarce}`;
  return { type: 'Warning', reason: 'EvictionThresholdMet', message };
}
