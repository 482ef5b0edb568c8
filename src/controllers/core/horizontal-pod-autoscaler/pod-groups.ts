import type { Pod } from '#api/core-v1/pod.ts';

/** A pod's use of one resource, in thousandths. */
export interface PodUsage {
  readonly value: number;
  /** The end and the length of the measurement. */
  readonly atMs: number;
  readonly windowMs: number;
}

/** Pods by what their usage says, by name. Those that go, or have failed, are in none of the groups. */
export interface PodGroups {
  readonly counted: ReadonlyMap<string, number>;
  /** Not begun, or too young for their use of the processor to mean anything. */
  readonly unready: readonly string[];
  /** Not measured. */
  readonly missing: readonly string[];
}

/** Kubernetes' defaults: a program that starts uses more processor time than it will later. */
const CPU_INITIALIZATION_MS = 300_000;
const INITIAL_READINESS_MS = 30_000;

export function groupPods(
  pods: readonly Pod[],
  usage: ReadonlyMap<string, PodUsage>,
  { resource, nowMs }: { readonly resource: string; readonly nowMs: number },
): PodGroups {
  const counted = new Map<string, number>();
  const unready: string[] = [];
  const missing: string[] = [];
  for (const pod of pods) {
    const { name = '', deletionTimestamp } = pod.metadata;
    const phase = pod.status?.phase;
    if (deletionTimestamp !== undefined || phase === 'Failed') continue;
    const measured = usage.get(name);
    if (phase === 'Pending') unready.push(name);
    else if (!measured) missing.push(name);
    else if (resource === 'cpu' && isStarting(pod, measured, nowMs)) unready.push(name);
    else counted.set(name, measured.value);
  }
  return { counted, unready, missing };
}

function isStarting({ status }: Pod, { atMs, windowMs }: PodUsage, nowMs: number): boolean {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  if (!ready || status?.startTime === undefined) return true;
  const startedMs = Date.parse(status.startTime);
  const changedMs = Date.parse(ready.lastTransitionTime ?? '') || 0;
  const isReady = ready.status !== 'False';
  if (startedMs + CPU_INITIALIZATION_MS > nowMs) return !isReady || atMs < changedMs + windowMs;
  // Later a pod that is not ready counts if it ever was: it may be too busy to answer its probe.
  return !isReady && startedMs + INITIAL_READINESS_MS > changedMs;
}
