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
const INT64_MAX = 2 ** 63;

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
  // What cannot be read counts as not said.
  const [least, most] = [countOf(min), countOf(max)];
  if (most > 0 && most < least) {
    const message = `max-scale=${most} is less than min-scale=${least}`;
    const names = ['max-scale', 'min-scale'].map((name) => `${at}.${SCALE_PREFIX}${name}`);
    errors.push({ path: names.join(', '), message });
  }
  if (max && maxScaleLimit > 0 && most > maxScaleLimit) {
    errors.push(outOfBounds(most, { low: 1, high: maxScaleLimit }, `${at}.${max.key}`));
  }
  if (max && maxScaleLimit > 0 && most === 0) {
    const message = `max-scale=0 (unlimited), must be less than ${maxScaleLimit}`;
    errors.push({ path: `${at}.${max.key}`, message });
  }
  return activation ? [...errors, ...activationErrors(activation, at, { least, most })] : errors;
}

function activationErrors(
  activation: WholeNumber,
  at: string,
  { least, most }: { readonly least: number; readonly most: number },
): FieldError[] {
  const { number, key } = activation;
  if (number === undefined || Math.abs(number) > INT32_MAX) return [wrong(activation, at)];
  const isTold = (message: string): FieldError[] => [{ path: `${at}.${key}`, message }];
  if (least > number) {
    return isTold(`min-scale=${least} is greater than activation-scale=${number}`);
  }
  if (most > 0 && most < number) {
    return isTold(`max-scale=${most} is less than activation-scale=${number}`);
  }
  return number < 2 ? isTold(`activation-scale=${number} must be greater than 1`) : [];
}

function isCount(number: number | undefined): number is number {
  return number !== undefined && number >= 0 && number <= INT32_MAX;
}

function countOf(found: WholeNumber | undefined): number {
  return isCount(found?.number) ? found.number : 0;
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
  if (isCount(number)) return [];
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
  if (number === undefined || Math.abs(number) > INT64_MAX) return [wrong(found, at)];
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
  const said = findScaleAnnotation(annotations, 'class')?.value;
  const scaler = said ?? podAutoscalerClass;
  const isWrong =
    metric &&
    ((scaler === HPA_CLASS && metric.value === '') ||
      (scaler === KPA_CLASS && !['concurrency', 'rps'].includes(metric.value)));
  const errors = isWrong ? [wrong(metric, at)] : [];
  const algorithms = ['', 'linear', 'weighted-exponential', 'weightedExponential'];
  // A class has to say that it is ours for this one, whatever the usual class is.
  if (said === KPA_CLASS && algorithm && !algorithms.includes(algorithm.value)) {
    errors.push(wrong(algorithm, at));
  }
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
  if (value < (parseGoDuration(bounds.low) ?? 0) || value > (parseGoDuration(bounds.high) ?? 0)) {
    return [outOfBounds(found.value, bounds, path)];
  }
  if (bounds.name === 'podRetention' || value % 1_000 === 0) return [];
  return [{ path, message: 'must be specified with at most second precision' }];
}

function wrong({ key, value }: Found, at: string): FieldError {
  return invalidValue(value, `${at}.${key}`);
}
