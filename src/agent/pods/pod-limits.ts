import path from 'node:path';
import { sleep, type Clock } from '#base/clock.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import type { Volume } from '#api/generated/core-v1.ts';
import { podAmounts } from '#api/core-v1/pod-requests.ts';
import { amountOf, numberOf, renderQuantity } from '#api/meta/quantity.ts';
import { diskUsage } from '#agent/volumes/disk-usage.ts';
import type { PodRecord } from '#agent/pods/pod-record.ts';
import type { PodSandbox } from '#agent/pods/pod-sandbox.ts';

/** Why the agent ends a pod for good; in Kubernetes' words. */
export interface PodFate {
  readonly reason: 'DeadlineExceeded' | 'Evicted';
  readonly message: string;
  /** Its own grace where absent. */
  readonly graceMs?: number;
}

export interface WatchedPod {
  readonly clock: Clock;
  /** The newest object of the pod. */
  readonly pod: () => Pod;
  /** Resolves when it has another deadline. */
  readonly deadlineChanged: () => Promise<void>;
  /** RFC 3339; from then on its deadline counts. */
  readonly startTime: string;
  readonly sandbox: () => Pick<PodSandbox, 'folder' | 'bundleOf' | 'container'> | undefined;
  /** Where it has to go for want of something that the machine is short of. */
  readonly evicted: Promise<PodFate>;
}

/** The kubelet's: how often disks are measured, and how long whoever used too much has to end. */
const MEASURE_MS = 10_000;
export const EVICTED_GRACE_MS = 1_000;

/** Resolves when the pod has gone beyond a limit of its own; never where it has none. Rejects with the signal's reason. */
export async function beyondLimits(watched: WatchedPod, signal: AbortSignal): Promise<PodFate> {
  const done = new AbortController();
  const either = AbortSignal.any([signal, done.signal]);
  const watching = [beyondDeadline(watched, either), beyondStorage(watched, either)];
  try {
    return await Promise.race([...watching, watched.evicted]);
  } finally {
    done.abort();
    await Promise.allSettled(watching);
  }
}

async function beyondDeadline(
  { clock, pod, startTime, deadlineChanged }: WatchedPod,
  signal: AbortSignal,
): Promise<PodFate> {
  for (;;) {
    const changed = deadlineChanged();
    const { activeDeadlineSeconds: seconds = Infinity } = pod().spec ?? {};
    const restMs = Date.parse(startTime) + seconds * 1000 - clock.now().getTime();
    if (restMs <= 0) break;
    const looked = new AbortController();
    const until = AbortSignal.any([signal, looked.signal]);
    const passing = sleep(clock, Math.min(restMs, TIMER_MAX_MS), until).catch(() => undefined);
    await Promise.race([passing, changed]);
    looked.abort();
    signal.throwIfAborted();
  }
  const message = 'Pod was active on the node longer than the specified deadline';
  return { reason: 'DeadlineExceeded', message };
}

/** A timer's own bound. */
const TIMER_MAX_MS = 2 ** 31 - 1;

async function beyondStorage(watched: WatchedPod, signal: AbortSignal): Promise<PodFate> {
  const checks = storageChecks(watched.pod());
  if (checks.length === 0) return await never(signal);
  for (;;) {
    await sleep(watched.clock, MEASURE_MS, signal);
    const sandbox = watched.sandbox();
    if (!sandbox) continue;
    for (const { bytesMax, folders, message } of checks) {
      const used = await diskUsage(folders(sandbox), bytesMax);
      if (used > bytesMax) return { reason: 'Evicted', message, graceMs: EVICTED_GRACE_MS };
    }
  }
}

type Sandbox = NonNullable<ReturnType<WatchedPod['sandbox']>>;

interface StorageCheck {
  readonly bytesMax: number;
  readonly folders: (sandbox: Sandbox) => readonly string[];
  readonly message: string;
}

const STORAGE = 'ephemeral-storage';

/** What a pod has on the disk for as long as it lives: by container, and of its own. */
export function foldersOf(
  { spec }: Pod,
  sandbox: Sandbox & { readonly record: Pick<PodRecord, 'containers'> },
): {
  readonly containers: Readonly<Record<string, readonly string[]>>;
  readonly volumes: readonly string[];
} {
  const names = Object.keys(sandbox.record.containers);
  return {
    containers: Object.fromEntries(names.map((name) => [name, writtenBy(name, sandbox)])),
    volumes: diskVolumes(spec).map(({ name }) => volumeFolder(name, sandbox)),
  };
}

function diskVolumes(spec: Pod['spec']): readonly Volume[] {
  return (spec?.volumes ?? []).filter(({ emptyDir }) => emptyDir && emptyDir.medium !== 'Memory');
}

function volumeFolder(name: string, { folder }: Sandbox): string {
  return path.join(folder, 'volumes', name);
}

/** One for each volume with a size, for the pod where a container has a limit, and for each that has; the kubelet's order. */
function storageChecks({ spec }: Pod): readonly StorageCheck[] {
  const volumes = diskVolumes(spec);
  const sized = volumes.flatMap(({ name, emptyDir }): StorageCheck[] => {
    const limit = emptyDir?.sizeLimit;
    if (limit === undefined || amountOf(limit) === 0) return [];
    const message = `Usage of EmptyDir volume "${name}" exceeds the limit "${limit}". `;
    const folders = (sandbox: Sandbox): string[] => [volumeFolder(name, sandbox)];
    return [{ bytesMax: amountOf(limit), folders, message }];
  });
  const limited = (spec?.containers ?? []).flatMap(({ name, resources }): StorageCheck[] => {
    const limit = resources?.limits?.[STORAGE];
    if (limit === undefined) return [];
    const message = `Container ${name} exceeded its local ephemeral storage limit "${limit}". `;
    const folders = (sandbox: Sandbox): readonly string[] => writtenBy(name, sandbox);
    return [{ bytesMax: amountOf(limit), folders, message }];
  });
  return [...sized, ...totalCheck(spec), ...limited];
}

/** What containers without a limit write counts too, against what the others may. */
function totalCheck(spec: Pod['spec']): readonly StorageCheck[] {
  const limit = spec && podAmounts(spec, 'limits').get(STORAGE);
  if (!limit) return [];
  const volumes = diskVolumes(spec);
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  const folders = (sandbox: Sandbox): readonly string[] => [
    ...volumes.map(({ name }) => volumeFolder(name, sandbox)),
    ...containers.flatMap(({ name }) => writtenBy(name, sandbox)),
  ];
  const message = `Pod ephemeral local storage usage exceeds the total limit of containers ${renderQuantity(limit)}. `;
  return [{ bytesMax: numberOf(limit), folders, message }];
}

/** The layer that a container writes to. Where images are copied there is none, and nothing is measured. */
function writtenBy(name: string, sandbox: Sandbox): readonly string[] {
  const attempt = sandbox.container(name)?.attempt ?? 0;
  return [path.join(sandbox.bundleOf(name, attempt), 'upper')];
}

async function never(signal: AbortSignal): Promise<never> {
  signal.throwIfAborted();
  const { promise, reject } = Promise.withResolvers<never>();
  signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  return await promise;
}
