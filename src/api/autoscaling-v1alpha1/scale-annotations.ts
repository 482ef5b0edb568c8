import type { FieldError } from '#api/kind.ts';
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

const PREFIX = 'autoscaling.knative.dev/';
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
type Name = keyof typeof spellings;
type Annotations = Readonly<Record<string, string>>;

export function isScaleAnnotation(key: string): boolean {
  return key.startsWith(PREFIX);
}

export function parseScaleAnnotations(annotations: Annotations = {}): ScaleAnnotations {
  const text = (name: Name): string | undefined => find(annotations, name)?.value;
  const number = (name: Name): number | undefined => parseNumber(text(name));
  const duration = (name: Name): number | undefined => parseGoDuration(text(name) ?? '');
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

const INT32_MAX = 2 ** 31 - 1;

/** What is wrong with them; `at` is the path of the annotations. */
export function scaleAnnotationErrors(annotations: Annotations, at: string): FieldError[] {
  return [
    ...classErrors(annotations, at),
    ...boundErrors(annotations, at),
    ...range(annotations, at, { name: 'panicWindowPercent', low: 1, high: 100 }),
    ...range(annotations, at, { name: 'panicThresholdPercent', low: 110, high: 1000 }),
    ...range(annotations, at, { name: 'targetUtilizationPercent', low: 1, high: 100 }),
    ...targetErrors(annotations, at),
    ...durations(annotations, at, { name: 'window', low: '6s', high: '1h0m0s' }),
    ...durations(annotations, at, { name: 'scaleDownDelay', low: '0s', high: '1h0m0s' }),
    ...durations(annotations, at, { name: 'podRetention', low: '0s', high: '1h0m0s' }),
  ];
}

function classErrors(annotations: Annotations, at: string): FieldError[] {
  const found = find(annotations, 'class');
  if (!found?.value.endsWith('.knative.dev')) return [];
  if (found.value === KPA_CLASS || found.value === HPA_CLASS) return [];
  return [invalidValue(found, at)];
}

function boundErrors(annotations: Annotations, at: string): FieldError[] {
  const errors = (['minScale', 'maxScale'] as const).flatMap((name) =>
    range(annotations, at, { name, low: 0, high: INT32_MAX }),
  );
  const { minScale = 0, maxScale = 0, activationScale } = parseScaleAnnotations(annotations);
  const path = (name: Name): string => `${at}.${find(annotations, name)?.key ?? ''}`;
  if (maxScale > 0 && maxScale < minScale) {
    const message = `max-scale=${maxScale} is less than min-scale=${minScale}`;
    errors.push({ path: `${path('maxScale')}, ${path('minScale')}`, message });
  }
  const initial = find(annotations, 'initialScale');
  const initialScale = parseNumber(initial?.value);
  if (initial && (initialScale === undefined || initialScale < 0)) {
    const message = `invalid value: ${initial.value}`;
    errors.push({ path: `${at}.${initial.key} must be greater than 0`, message });
  } else if (initial && initialScale === 0) {
    errors.push({
      path: `${at}.${initial.key}=0 not allowed by cluster`,
      message: 'invalid value: 0',
    });
  }
  if (activationScale !== undefined && activationScale < 2) {
    const message = `activation-scale=${activationScale} must be greater than 1`;
    errors.push({ path: path('activationScale'), message });
  }
  return errors;
}

function targetErrors(annotations: Annotations, at: string): FieldError[] {
  const target = find(annotations, 'target');
  const burst = find(annotations, 'targetBurstCapacity');
  const errors: FieldError[] = [];
  const value = parseNumber(target?.value);
  if (target && value === undefined) errors.push(invalidValue(target, at));
  if (target && value !== undefined && value < 0.01) {
    const message = `target ${target.value} should be at least 0.01`;
    errors.push({ path: `${at}.${target.key}`, message });
  }
  const capacity = parseNumber(burst?.value);
  if (burst && (capacity === undefined || (capacity < 0 && capacity !== -1))) {
    errors.push(invalidValue(burst, at));
  }
  return errors;
}

interface Range<Bound> {
  readonly name: Name;
  readonly low: Bound;
  readonly high: Bound;
}

function range(annotations: Annotations, at: string, bounds: Range<number>): FieldError[] {
  const found = find(annotations, bounds.name);
  if (!found) return [];
  const value = parseNumber(found.value);
  if (value === undefined) return [invalidValue(found, at)];
  if (value >= bounds.low && value <= bounds.high) return [];
  const message = `expected ${bounds.low} <= ${found.value} <= ${bounds.high}`;
  return [{ path: `${at}.${found.key}`, message }];
}

function durations(annotations: Annotations, at: string, bounds: Range<string>): FieldError[] {
  const found = find(annotations, bounds.name);
  if (!found) return [];
  const value = parseGoDuration(found.value);
  if (value === undefined) return [invalidValue(found, at)];
  const path = `${at}.${found.key}`;
  const errors: FieldError[] = [];
  if (value < (parseGoDuration(bounds.low) ?? 0) || value > (parseGoDuration(bounds.high) ?? 0)) {
    errors.push({ path, message: `expected ${bounds.low} <= ${found.value} <= ${bounds.high}` });
  }
  if (bounds.name !== 'podRetention' && value % 1_000 !== 0) {
    const message = `${found.key.slice(PREFIX.length)}=${found.value} must be specified with at most second precision`;
    errors.push({ path, message });
  }
  return errors;
}

interface Found {
  readonly key: string;
  readonly value: string;
}

function find(annotations: Annotations, name: Name): Found | undefined {
  for (const spelling of spellings[name]) {
    const value = annotations[PREFIX + spelling];
    if (value !== undefined) return { key: PREFIX + spelling, value };
  }
  return undefined;
}

function parseNumber(text: string | undefined): number | undefined {
  return text !== undefined && /^[-+]?(\d+\.?\d*|\.\d+)$/.test(text) ? Number(text) : undefined;
}

function invalidValue({ key, value }: Found, at: string): FieldError {
  return { path: `${at}.${key}`, message: `invalid value: ${value}` };
}

type Defined<T> = { [K in keyof T]?: Exclude<T[K], undefined> };
function defined<T extends object>(values: T): Defined<T> {
  // A value that is undefined is left out, which is what the type of the result says.
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => value !== undefined),
  ) as Defined<T>;
}
