import { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import type { StatusOf } from '#api/kind.ts';
import { conditionOf, Conditions } from '#api/meta/conditions.ts';
import type { ServerlessService } from '#api/networking-v1alpha1/serverless-service.ts';
import type { ScaleSettings } from '#autoscaler/scale-settings.ts';

export interface ObservedScale {
  /** −1: nothing known. */
  readonly wanted: number;
  readonly readyPods: number;
  readonly serviceName: string;
}

/** What a pass has found, whichever class decides. */
export interface ObservedAutoscaler {
  readonly sks: ServerlessService | undefined;
  /** What is said of Services that are not there yet; their own words unless told. */
  readonly unready?: string;
  readonly now: Date;
  /** Absent where nothing is known, which does not unsay what was known last. */
  readonly desiredScale?: number;
  readonly actualScale: number;
  /** Sets Active and ScaleTargetInitialized. */
  readonly mark: (conditions: Conditions) => void;
}

export function podAutoscalerStatus(
  { status, metadata }: PodAutoscaler,
  observed: ObservedAutoscaler,
): StatusOf<PodAutoscaler> {
  const { sks, now, desiredScale = status?.desiredScale ?? -1, actualScale, mark } = observed;
  const conditions = new Conditions({
    set: PodAutoscaler.conditions,
    previous: status?.conditions,
    now,
  });
  markServerlessService(conditions, observed);
  mark(conditions);
  const serviceName = sks?.status?.serviceName ?? '';
  return {
    ...(metadata.generation !== undefined && { observedGeneration: metadata.generation }),
    ...(serviceName !== '' && { serviceName }),
    metricsServiceName: sks?.status?.privateServiceName ?? '',
    desiredScale,
    actualScale,
    conditions: conditions.list(),
  };
}

/** Ready pods from which on the revision counts as up. */
function readyPodsMin(conditions: Conditions, settings: ScaleSettings): number {
  const { minScale, initialScale } = settings;
  return Math.max(minScale, conditions.isTrue('ScaleTargetInitialized') ? 1 : initialScale);
}

/** Once its initial scale was reached, which is never unsaid. */
export function markInitialized(
  conditions: Conditions,
  { readyPods, settings }: { readonly readyPods: number; readonly settings: ScaleSettings },
): void {
  if (readyPods >= readyPodsMin(conditions, settings))
    conditions.markTrue('ScaleTargetInitialized');
}

/** The Active and ScaleTargetInitialized conditions (serving specification §3.7). */
export function markScale(
  conditions: Conditions,
  { wanted, readyPods, serviceName }: ObservedScale,
  settings: ScaleSettings,
): void {
  const enough = readyPodsMin(conditions, settings);
  if (serviceName !== '') markInitialized(conditions, { readyPods, settings });
  const isInactive = conditions.isFalse('Active');
  if (wanted === 0 || enough === 0) {
    const isActivating = conditions.get('Active')?.status === 'Unknown';
    if (isActivating && enough > 0) {
      conditions.markFalse('Active', 'TimedOut', 'The target could not be activated.');
    } else markNoTraffic(conditions);
  } else if (readyPods < enough) {
    if (wanted > 0 || !isInactive) {
      const message = 'Requests to the target are being buffered as resources are provisioned.';
      conditions.markUnknown('Active', 'Queued', message);
    } else markNoTraffic(conditions);
  } else if (wanted > 0 || !isInactive) conditions.markTrue('Active');
}

function markNoTraffic(conditions: Conditions): void {
  conditions.markFalse('Active', 'NoTraffic', 'The target is not receiving traffic.');
}

/** What the class needs has a name that somebody else's object has. */
export function markNotOwned(conditions: Conditions, kind: string, name: string): void {
  const message = `There is an existing ${kind} "${name}" that we do not own.`;
  conditions.markFalse('Active', 'NotOwned', message);
}

export function markFailedCreate(conditions: Conditions, kind: string, name: string): void {
  conditions.markFalse('Active', 'FailedCreate', `Failed to create ${kind} "${name}".`);
}

function markServerlessService(
  conditions: Conditions,
  { sks, unready }: Pick<ObservedAutoscaler, 'sks' | 'unready'>,
): void {
  const ready = sks && conditionOf(sks, 'Ready');
  const isServed = (sks?.status?.privateServiceName ?? '') !== '';
  if (isServed && ready?.status === 'True') {
    conditions.markTrue('SKSReady');
    return;
  }
  const own = isServed ? ready?.message : 'No Private Service Name';
  conditions.markUnknown('SKSReady', 'NotReady', unready ?? own);
}
