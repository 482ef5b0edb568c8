import { parseScaleAnnotations } from '#api/autoscaling-v1alpha1/scale-annotations.ts';

/** What config-autoscaler says; upstream's figures out of the box. */
export interface AutoscalerConfig {
  readonly containerConcurrencyTargetDefault: number;
  readonly containerConcurrencyTargetPercent: number;
  readonly targetBurstCapacity: number;
  readonly stableWindowMs: number;
  readonly panicWindowPercent: number;
  readonly panicThresholdPercent: number;
  readonly maxScaleUpRate: number;
  readonly maxScaleDownRate: number;
  readonly isScaleToZeroEnabled: boolean;
  readonly scaleToZeroGraceMs: number;
  readonly podRetentionMs: number;
  readonly initialScale: number;
  readonly minScale: number;
  /** 0: no limit. */
  readonly maxScale: number;
  readonly scaleDownDelayMs: number;
  readonly activatorCapacity: number;
}

export const autoscalerDefaults: AutoscalerConfig = {
  containerConcurrencyTargetDefault: 100,
  containerConcurrencyTargetPercent: 70,
  targetBurstCapacity: 211,
  stableWindowMs: 60_000,
  panicWindowPercent: 10,
  panicThresholdPercent: 200,
  maxScaleUpRate: 1_000,
  maxScaleDownRate: 2,
  isScaleToZeroEnabled: true,
  scaleToZeroGraceMs: 30_000,
  podRetentionMs: 0,
  initialScale: 1,
  minScale: 0,
  maxScale: 0,
  scaleDownDelayMs: 0,
  activatorCapacity: 100,
};

/** How one revision scales: its annotations over the configuration. */
export interface ScaleSettings {
  readonly stableWindowMs: number;
  readonly panicWindowMs: number;
  /** Wanted over ready pods from which a panic begins: 2 is twice as many. */
  readonly panicThreshold: number;
  /** Requests at once that one pod shall get, and that it can take. */
  readonly target: number;
  readonly total: number;
  /** −1: unlimited. */
  readonly targetBurstCapacity: number;
  readonly maxScaleUpRate: number;
  readonly maxScaleDownRate: number;
  /** Pods to start with from zero where more than one. */
  readonly activationScale: number;
  readonly scaleDownDelayMs: number;
  readonly minScale: number;
  /** 0: no limit. */
  readonly maxScale: number;
  readonly initialScale: number;
  readonly podRetentionMs: number;
  readonly isScaleToZeroEnabled: boolean;
  readonly scaleToZeroGraceMs: number;
  readonly activatorCapacity: number;
}

interface Scaled {
  readonly annotations: Readonly<Record<string, string>> | undefined;
  /** 0: no limit. */
  readonly containerConcurrency: number;
}

export function scaleSettings(revision: Scaled, config: AutoscalerConfig): ScaleSettings {
  const said = parseScaleAnnotations(revision.annotations);
  const stableWindowMs = said.windowMs ?? config.stableWindowMs;
  const panicWindowMs =
    (stableWindowMs * (said.panicWindowPercent ?? config.panicWindowPercent)) / 100;
  const limit = revision.containerConcurrency;
  const total = said.target ?? (limit || config.containerConcurrencyTargetDefault);
  const capped = limit > 0 ? Math.min(total, limit) : total;
  const utilization = said.targetUtilizationPercent ?? config.containerConcurrencyTargetPercent;
  return {
    stableWindowMs,
    panicWindowMs: Math.max(1_000, Math.round(panicWindowMs / 1_000) * 1_000),
    panicThreshold: (said.panicThresholdPercent ?? config.panicThresholdPercent) / 100,
    target: Math.max(0.01, (capped * utilization) / 100),
    total: capped,
    targetBurstCapacity: said.targetBurstCapacity ?? config.targetBurstCapacity,
    maxScaleUpRate: config.maxScaleUpRate,
    maxScaleDownRate: config.maxScaleDownRate,
    activationScale: said.activationScale ?? 1,
    scaleDownDelayMs: said.scaleDownDelayMs ?? config.scaleDownDelayMs,
    minScale: said.minScale ?? config.minScale,
    maxScale: said.maxScale ?? config.maxScale,
    initialScale: said.initialScale ?? config.initialScale,
    podRetentionMs: said.podRetentionMs ?? config.podRetentionMs,
    isScaleToZeroEnabled: config.isScaleToZeroEnabled,
    scaleToZeroGraceMs: config.scaleToZeroGraceMs,
    activatorCapacity: config.activatorCapacity,
  };
}
