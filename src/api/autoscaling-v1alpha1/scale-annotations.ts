import { parseGoDuration } from '#api/meta/go-duration.ts';

/** What a revision's annotations say about its scale; absent where they say nothing or nothing readable. */
export interface ScaleAnnotations {
  readonly class?: string;
  readonly metric?: string;
  readonly minScale?: number;
  /** 0: no limit. */
  readonly maxScale?: number;
  readonly initialScale?: number;
  readonly activationScale?: number;
  readonly target?: number;
  readonly targetUtilizationPercent?: number;
  readonly targetBurstCapacity?: number;
  readonly windowMs?: number;
  readonly panicWindowPercent?: number;
  readonly panicThresholdPercent?: number;
  readonly scaleDownDelayMs?: number;
  readonly podRetentionMs?: number;
  /** `linear`, or `weighted-exponential`. */
  readonly aggregation?: string;
}

export const SCALE_PREFIX = 'autoscaling.knative.dev/';
export const KPA_CLASS = 'kpa.autoscaling.knative.dev';
export const HPA_CLASS = 'hpa.autoscaling.knative.dev';

/** The spellings of each annotation; the first one present counts. */
const spellings = {
  class: ['class'],
  metric: ['metric'],
  minScale: ['min-scale', 'minScale'],
  maxScale: ['max-scale', 'maxScale'],
  initialScale: ['initial-scale', 'initialScale'],
  activationScale: ['activation-scale'],
  target: ['target'],
  targetUtilizationPercent: ['target-utilization-percentage', 'targetUtilizationPercentage'],
  targetBurstCapacity: ['target-burst-capacity', 'targetBurstCapacity'],
  window: ['window'],
  panicWindowPercent: ['panic-window-percentage', 'panicWindowPercentage'],
  panicThresholdPercent: ['panic-threshold-percentage', 'panicThresholdPercentage'],
  scaleDownDelay: ['scale-down-delay', 'scaleDownDelay'],
  podRetention: ['scale-to-zero-pod-retention-period', 'scaleToZeroPodRetentionPeriod'],
  aggregation: ['metric-aggregation-algorithm', 'metricAggregationAlgorithm'],
} as const;
export type ScaleAnnotation = keyof typeof spellings;
export type Annotations = Readonly<Record<string, string>>;

export function isScaleAnnotation(key: string): boolean {
  return key.startsWith(SCALE_PREFIX);
}

export function parseScaleAnnotations(annotations: Annotations = {}): ScaleAnnotations {
  const text = (name: ScaleAnnotation): string | undefined =>
    findScaleAnnotation(annotations, name)?.value;
  const number = (name: ScaleAnnotation): number | undefined => parseNumber(text(name));
  const duration = (name: ScaleAnnotation): number | undefined => parseGoDuration(text(name) ?? '');
  return defined({
    class: text('class'),
    metric: text('metric'),
    minScale: number('minScale'),
    maxScale: number('maxScale'),
    initialScale: number('initialScale'),
    activationScale: number('activationScale'),
    target: number('target'),
    targetUtilizationPercent: number('targetUtilizationPercent'),
    targetBurstCapacity: number('targetBurstCapacity'),
    windowMs: duration('window'),
    panicWindowPercent: number('panicWindowPercent'),
    panicThresholdPercent: number('panicThresholdPercent'),
    scaleDownDelayMs: duration('scaleDownDelay'),
    podRetentionMs: duration('podRetention'),
    aggregation: text('aggregation'),
  });
}

export interface Found {
  readonly key: string;
  readonly value: string;
}

export function findScaleAnnotation(
  annotations: Annotations,
  name: ScaleAnnotation,
): Found | undefined {
  for (const spelling of spellings[name]) {
    const value = annotations[SCALE_PREFIX + spelling];
    if (value !== undefined) return { key: SCALE_PREFIX + spelling, value };
  }
  return undefined;
}

/** Undefined where the text is no number; Go's words for what is beyond all of them are none. */
export function parseNumber(text: string | undefined): number | undefined {
  const isNumber = text !== undefined && /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text);
  return isNumber && Number.isFinite(Number(text)) ? Number(text) : undefined;
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };
function defined<T extends object>(values: T): Defined<T> {
  // A value that is undefined is left out, which is what the type of the result says.
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as Defined<T>;
}
