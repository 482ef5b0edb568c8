import { boundScale } from '#autoscaler/decide-scale.ts';
import type { ScaleSettings } from '#autoscaler/scale-settings.ts';

/**
 * From what the formula wants to what the Deployment gets (serving specification §3.7): bounds, the initial scale, and
 * the way to zero. A revision goes to zero in two steps: after a stable window of being active it is marked inactive,
 * and after the grace period, or at once where its public endpoints have been the gateway's for that long, its last pod
 * goes.
 */
export interface ReplicasInput {
  /** −1: the formula knows nothing yet. */
  readonly desired: number;
  readonly isReachable: boolean;
  /** Whether the initial scale was ever reached. */
  readonly isInitialized: boolean;
  /** The PodAutoscaler's Active condition: Unknown is activating; and for how long it has been so. */
  readonly active: 'True' | 'False' | 'Unknown';
  readonly activeForMs: number;
  /** For how long the public endpoints have been the gateway's; 0: they are not. */
  readonly proxiedForMs: number;
  readonly isProxied: boolean;
  readonly progressDeadlineMs: number;
}

export interface ReplicasDecision {
  /** What to report and to derive Active from; −1: nothing known. */
  readonly wanted: number;
  /** What the Deployment shall have; absent: leave it. */
  readonly replicas?: number;
  readonly againAfterMs?: number;
}

/** How much longer than its Deployment's progress deadline an activation may take. */
const ACTIVATION_SLACK_MS = 30_000;
const INACTIVE_RECHECK_MS = 3_000;

export function decideReplicas(input: ReplicasInput, settings: ScaleSettings): ReplicasDecision {
  const isActivating = input.active === 'Unknown';
  if (input.desired < 0 && !isActivating) return { wanted: input.desired };
  const wanted = boundScale(input.desired, {
    minScale: minScale(input, settings),
    maxScale: settings.maxScale,
  });
  if (wanted > 0) return { wanted, replicas: wanted };
  if (!settings.isScaleToZeroEnabled) return { wanted: 1, replicas: 1 };
  if (isActivating) return whileActivating(input);
  return input.active === 'True' ? whileActive(input, settings) : whileInactive(input, settings);
}

function minScale(input: ReplicasInput, settings: ScaleSettings): number {
  const { minScale, initialScale } = settings;
  const isHeld = input.isReachable && !input.isInitialized && initialScale > 1;
  return isHeld ? Math.max(minScale, initialScale) : minScale;
}

function whileActivating({ activeForMs, progressDeadlineMs }: ReplicasInput): ReplicasDecision {
  const timeoutMs = progressDeadlineMs + ACTIVATION_SLACK_MS;
  if (activeForMs > timeoutMs) return { wanted: 0, replicas: 0 };
  return { wanted: -1, againAfterMs: timeoutMs - activeForMs + 1 };
}

function whileActive(input: ReplicasInput, { stableWindowMs }: ScaleSettings): ReplicasDecision {
  if (input.activeForMs < stableWindowMs) {
    return { wanted: 1, replicas: 1, againAfterMs: stableWindowMs - input.activeForMs };
  }
  return { wanted: 0, ...(input.isProxied && { againAfterMs: INACTIVE_RECHECK_MS }) };
}

function whileInactive(input: ReplicasInput, settings: ScaleSettings): ReplicasDecision {
  const { scaleToZeroGraceMs } = settings;
  const retentionMs = input.isReachable ? settings.podRetentionMs : 0;
  if (input.activeForMs >= Math.max(scaleToZeroGraceMs, retentionMs)) {
    return { wanted: 0, replicas: 0 };
  }
  if (input.activeForMs < retentionMs) {
    return { wanted: 0, againAfterMs: retentionMs - input.activeForMs };
  }
  if (input.proxiedForMs >= scaleToZeroGraceMs) return { wanted: 0, replicas: 0 };
  return { wanted: 0, againAfterMs: scaleToZeroGraceMs - input.proxiedForMs };
}
