import {
  findScaleAnnotation,
  HPA_CLASS,
  KPA_CLASS,
  parseNumber,
  SCALE_PREFIX,
  type Annotations,
  type Found,
  type ScaleAnnotation,
} from '#api/autoscaling-v1alpha1/scale-annotations.ts';
import type { FieldError } from '#api/kind.ts';
import { parseGoDuration } from '#api/meta/go-duration.ts';
import { invalidValue, outOfBounds } from '#api/meta/knative-error.ts';
import type { AutoscalerConfig } from '#api/serving-config/config-autoscaler.ts';

const INT32_MAX = 2 ** 31 - 1;

/** What is wrong with them (serving specification §2.5); `at` is the path of the annotations. */
export function scaleAnnotationErrors(
  annotations: Annotations,
  at: string,
  config: AutoscalerConfig,
): FieldError[] {
  return [
    ...classErrors(annotations, at),
    ...boundErrors(annotations, at, config),
    ...initialScaleErrors(annotations, at, config),
    ...range(annotations, at, { name: 'panicWindowPercent', low: 1, high: 100 }),
    ...range(annotations, at, { name: 'panicThresholdPercent', low: 110, high: 1000 }),
    ...range(annotations, at, { name: 'targetUtilizationPercent', low: 1, high: 100 }),
    ...targetErrors(annotations, at),
    ...durations(annotations, at, { name: 'window', low: '6s', high: '1h0m0s' }),
    ...durations(annotations, at, { name: 'scaleDownDelay', low: '0s', high: '1h0m0s' }),
    ...durations(annotations, at, { name: 'podRetention', low: '0s', high: '1h0m0s' }),
    ...metricErrors(annotations, at, config),
  ];
}

function classErrors(annotations: Annotations, at: string): FieldError[] {
  const found = findScaleAnnotation(annotations, 'class');
  if (!found?.value.endsWith('.knative.dev')) return [];
  if (found.value === KPA_CLASS || found.value === HPA_CLASS) return [];
  return [wrong(found, at)];
}

/** Of min, max and activation scale, alone and together. */
function boundErrors(
  annotations: Annotations,
  at: string,
  { maxScaleLimit }: AutoscalerConfig,
): FieldError[] {
  const min = wholeNumber(annotations, 'minScale');
  const max = wholeNumber(annotations, 'maxScale');
  const activation = wholeNumber(annotations, 'activationScale');
  const errors = [min, max].flatMap((each) => (each ? atLeastZero(each, at) : []));
  const [least = 0, most = 0] = [min?.number, max?.number];
  const pathOf = ({ key }: Found): string => `${at}.${key}`;
  if (max && min && most > 0 && most < least) {
    const message = `max-scale=${most} is less than min-scale=${least}`;
    errors.push({ path: `${pathOf(max)}, ${pathOf(min)}`, message });
  }
  if (max && maxScaleLimit > 0 && most > maxScaleLimit) {
    errors.push(outOfBounds(most, { low: 1, high: maxScaleLimit }, pathOf(max)));
  }
  if (max && maxScaleLimit > 0 && most === 0) {
    const message = `max-scale=0 (unlimited), must be less than ${maxScaleLimit}`;
    errors.push({ path: pathOf(max), message });
  }
  if (!activation) return errors;
  const { number, value } = activation;
  if (number === undefined) return [...errors, wrong(activation, at)];
  if (number < 2) {
    const message = `activation-scale=${value} must be greater than 1`;
    errors.push({ path: pathOf(activation), message });
  }
  if (min && least > number) {
    const message = `min-scale=${least} is greater than activation-scale=${number}`;
    errors.push({ path: `${pathOf(activation)}, ${pathOf(min)}`, message });
  }
  if (max && most > 0 && most < number) {
    const message = `max-scale=${most} is less than activation-scale=${number}`;
    errors.push({ path: `${pathOf(activation)}, ${pathOf(max)}`, message });
  }
  return errors;
}

interface WholeNumber extends Found {
  /** Undefined where the text is none. */
  readonly number: number | undefined;
}

function wholeNumber(annotations: Annotations, name: ScaleAnnotation): WholeNumber | undefined {
  const found = findScaleAnnotation(annotations, name);
  if (!found) return undefined;
  const number = /^[-+]?\d+$/.test(found.value) ? Number(found.value) : undefined;
  return { ...found, number };
}

function atLeastZero({ key, value, number }: WholeNumber, at: string): FieldError[] {
  if (number === undefined) return [wrong({ key, value }, at)];
  if (number >= 0 && number <= INT32_MAX) return [];
  return [outOfBounds(value, { low: 0, high: INT32_MAX }, `${at}.${key}`)];
}

function initialScaleErrors(
  annotations: Annotations,
  at: string,
  { allowsZeroInitialScale }: AutoscalerConfig,
): FieldError[] {
  const found = wholeNumber(annotations, 'initialScale');
  if (!found) return [];
  const { number, key, value } = found;
  if (number === undefined) return [wrong(found, at)];
  if (number < 0) return [invalidValue(value, `${at}.${key} must be greater than 0`)];
  if (number > 0 || allowsZeroInitialScale) return [];
  return [invalidValue(value, `${at}.${key}=0 not allowed by cluster`)];
}

function targetErrors(annotations: Annotations, at: string): FieldError[] {
  const target = findScaleAnnotation(annotations, 'target');
  const burst = findScaleAnnotation(annotations, 'targetBurstCapacity');
  const errors: FieldError[] = [];
  const value = parseNumber(target?.value);
  if (target && value === undefined) errors.push(wrong(target, at));
  if (target && value !== undefined && value < 0.01) {
    const message = `target ${target.value} should be at least 0.01`;
    errors.push({ path: `${at}.${target.key}`, message });
  }
  const capacity = parseNumber(burst?.value);
  if (burst && (capacity === undefined || (capacity < 0 && capacity !== -1))) {
    errors.push(wrong(burst, at));
  }
  return errors;
}

/** By what a class scales; of classes that are not known here everything is taken. */
function metricErrors(
  annotations: Annotations,
  at: string,
  { podAutoscalerClass }: AutoscalerConfig,
): FieldError[] {
  const metric = findScaleAnnotation(annotations, 'metric');
  const algorithm = findScaleAnnotation(annotations, 'aggregation');
  const scaler = findScaleAnnotation(annotations, 'class')?.value ?? podAutoscalerClass;
  const errors: FieldError[] = [];
  if (scaler === HPA_CLASS && metric?.value === '') errors.push(wrong(metric, at));
  if (scaler !== KPA_CLASS) return errors;
  if (metric && !['concurrency', 'rps'].includes(metric.value)) errors.push(wrong(metric, at));
  const algorithms = ['linear', 'weighted-exponential', 'weightedExponential'];
  if (algorithm && !algorithms.includes(algorithm.value)) errors.push(wrong(algorithm, at));
  return errors;
}

interface Range<Bound> {
  readonly name: ScaleAnnotation;
  readonly low: Bound;
  readonly high: Bound;
}

function range(annotations: Annotations, at: string, bounds: Range<number>): FieldError[] {
  const found = findScaleAnnotation(annotations, bounds.name);
  if (!found) return [];
  const value = parseNumber(found.value);
  if (value === undefined) return [wrong(found, at)];
  if (value >= bounds.low && value <= bounds.high) return [];
  return [outOfBounds(found.value, bounds, `${at}.${found.key}`)];
}

function durations(annotations: Annotations, at: string, bounds: Range<string>): FieldError[] {
  const found = findScaleAnnotation(annotations, bounds.name);
  if (!found) return [];
  const value = parseGoDuration(found.value);
  if (value === undefined) return [wrong(found, at)];
  const path = `${at}.${found.key}`;
  const errors: FieldError[] = [];
  if (value < (parseGoDuration(bounds.low) ?? 0) || value > (parseGoDuration(bounds.high) ?? 0)) {
    errors.push(outOfBounds(found.value, bounds, path));
  }
  if (bounds.name !== 'podRetention' && value % 1_000 !== 0) {
    const name = found.key.slice(SCALE_PREFIX.length);
    const message = `${name}=${found.value} must be specified with at most second precision`;
    errors.push({ path, message });
  }
  return errors;
}

function wrong({ key, value }: Found, at: string): FieldError {
  return invalidValue(value, `${at}.${key}`);
}
