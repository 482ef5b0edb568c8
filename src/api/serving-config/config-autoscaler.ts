import { formatGoDuration } from '#api/meta/go-duration.ts';
import {
  ConfigError,
  duration,
  flag,
  integer,
  keyOf,
  number,
  readKeys,
  text,
  type ConfigData,
  type ValuesOf,
} from '#api/serving-config/config-key.ts';

/** `config-autoscaler` (serving specification §7): what revisions without annotations scale by. */
export const autoscalerKeys = {
  containerConcurrencyTargetPercent: keyOf(
    'container-concurrency-target-percentage',
    {
      fallback: '70',
      about: 'How much of what a pod can take it shall get, in percent, or as a fraction up to 1.',
    },
    percentOf,
  ),
  containerConcurrencyTargetDefault: number('container-concurrency-target-default', {
    fallback: '100',
    about: 'Requests at once that a pod can take, where its revision sets no limit.',
  }),
  requestsPerSecondTargetDefault: number('requests-per-second-target-default', {
    fallback: '200',
    about: 'Requests per second that a pod can take, for revisions that scale by them.',
  }),
  targetBurstCapacity: number('target-burst-capacity', {
    fallback: '211',
    about:
      'Requests at once, beyond what the pods can take, that may come without being queued; -1: any number.',
  }),
  stableWindowMs: duration('stable-window', {
    fallback: '60s',
    about: 'Time over which load is averaged, and without requests, after which the last pod goes.',
  }),
  panicWindowPercent: number('panic-window-percentage', {
    fallback: '10',
    about: 'The window that notices bursts, as a part of the stable one.',
  }),
  panicThresholdPercent: number('panic-threshold-percentage', {
    fallback: '200',
    about: 'Wanted over ready pods from which a burst counts as one.',
  }),
  maxScaleUpRate: number('max-scale-up-rate', {
    fallback: '1000',
    about: 'How many times as many pods there may be after one decision.',
  }),
  maxScaleDownRate: number('max-scale-down-rate', {
    fallback: '2',
    about: 'How many times fewer pods there may be after one decision.',
  }),
  isScaleToZeroEnabled: flag('enable-scale-to-zero', {
    fallback: 'true',
    about: 'Whether the last pod goes where nobody calls.',
  }),
  scaleToZeroGraceMs: duration('scale-to-zero-grace-period', {
    fallback: '30s',
    about: 'The longest that the last pod is kept while requests are led elsewhere.',
  }),
  podRetentionMs: duration('scale-to-zero-pod-retention-period', {
    fallback: '0s',
    about: 'The least time that the last pod stays after it was decided to go.',
  }),
  podAutoscalerClass: text('pod-autoscaler-class', {
    fallback: 'kpa.autoscaling.knative.dev',
    about: 'Who scales revisions that do not say.',
  }),
  activatorCapacity: number('activator-capacity', {
    fallback: '100',
    about: 'Requests at once that one activator carries; decides how many a revision has.',
  }),
  initialScale: integer('initial-scale', {
    form: 'int32',
    fallback: '1',
    about: 'Pods that a new revision has before it counts as ready.',
  }),
  allowsZeroInitialScale: flag('allow-zero-initial-scale', {
    fallback: 'false',
    about: 'Whether a revision may be ready without ever having had a pod.',
  }),
  minScale: integer('min-scale', {
    form: 'int32',
    fallback: '0',
    about: 'Pods that revisions have at the least.',
  }),
  maxScale: integer('max-scale', {
    form: 'int32',
    fallback: '0',
    about: 'Pods that revisions have at the most; 0: no limit.',
  }),
  maxScaleLimit: integer('max-scale-limit', {
    form: 'int32',
    fallback: '0',
    about: 'What a revision may ask for at the most as its max-scale; 0: no limit.',
  }),
  scaleDownDelayMs: duration('scale-down-delay', {
    fallback: '0s',
    about: 'Time for which fewer requests must have come before pods go.',
  }),
} as const;

export type AutoscalerConfig = ValuesOf<typeof autoscalerKeys>;

/** A share up to 1 is a fraction, as upstream has it. */
function percentOf(value: string): number {
  const parsed = number('container-concurrency-target-percentage', {
    fallback: '',
    about: '',
  }).parse(value, 'container-concurrency-target-percentage');
  return parsed <= 1 ? parsed * 100 : parsed;
}

const TARGET_MIN = 0.01;
const WINDOW_MIN_MS = 6_000;
const WINDOW_MAX_MS = 3_600_000;

/** Throws ConfigError. */
export function parseAutoscalerConfig(data: ConfigData): AutoscalerConfig {
  const config = readable(data);
  for (const complaint of complaints(config)) throw new ConfigError(complaint);
  return config;
}

function readable(data: ConfigData): AutoscalerConfig {
  try {
    return readKeys(autoscalerKeys, data);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    throw new ConfigError(`failed to parse data: ${error.message}`);
  }
}

/** In upstream's order: the first one is told. */
function* complaints(config: AutoscalerConfig): Generator<string> {
  yield* durationComplaints(config);
  yield* targetComplaints(config);
  yield* windowComplaints(config);
  yield* scaleComplaints(config);
}

function* durationComplaints(config: AutoscalerConfig): Generator<string> {
  const grace = formatGoDuration(config.scaleToZeroGraceMs);
  if (config.scaleToZeroGraceMs <= 0)
    yield `scale-to-zero-grace-period must be positive, was: ${grace}`;
  const delay = formatGoDuration(config.scaleDownDelayMs);
  if (config.scaleDownDelayMs < 0) yield `scale-down-delay cannot be negative, was: ${delay}`;
  if (config.scaleDownDelayMs % 1_000 !== 0) {
    yield `scale-down-delay = ${delay}, must be specified with at most second precision`;
  }
  const retention = formatGoDuration(config.podRetentionMs);
  if (config.podRetentionMs < 0) {
    yield `scale-to-zero-pod-retention-period cannot be negative, was: ${retention}`;
  }
}

function* targetComplaints(config: AutoscalerConfig): Generator<string> {
  const burst = config.targetBurstCapacity;
  if (burst < 0 && burst !== -1) {
    yield `target-burst-capacity must be either non-negative or -1 (for unlimited), was: ${burst.toFixed(6)}`;
  }
  const share = config.containerConcurrencyTargetPercent / 100;
  if (share <= 0 || share > 1) {
    yield `container-concurrency-target-percentage = ${share.toFixed(6)} is outside of valid range of (0, 100]`;
  }
  const target = share * config.containerConcurrencyTargetDefault;
  if (target < TARGET_MIN) {
    yield `container-concurrency-target-percentage and container-concurrency-target-default yield target concurrency of ${target}, can't be less than ${TARGET_MIN}`;
  }
  if (config.requestsPerSecondTargetDefault < TARGET_MIN) {
    yield `requests-per-second-target-default must be at least ${TARGET_MIN}, was: ${config.requestsPerSecondTargetDefault}`;
  }
  if (config.activatorCapacity < 1) {
    yield `activator-capacity = ${config.activatorCapacity}, must be at least 1`;
  }
  if (config.maxScaleUpRate <= 1) {
    yield `max-scale-up-rate = ${config.maxScaleUpRate}, must be greater than 1.0`;
  }
  if (config.maxScaleDownRate <= 1) {
    yield `max-scale-down-rate = ${config.maxScaleDownRate}, must be greater than 1.0`;
  }
}

function* windowComplaints(config: AutoscalerConfig): Generator<string> {
  const window = formatGoDuration(config.stableWindowMs);
  if (config.stableWindowMs < WINDOW_MIN_MS || config.stableWindowMs > WINDOW_MAX_MS) {
    yield `stable-window = ${window}, must be in [6s; 1h0m0s] range`;
  }
  if (config.stableWindowMs % 1_000 !== 0) {
    yield `stable-window = ${window}, must be specified with at most second precision`;
  }
  if (config.panicWindowPercent < 1 || config.panicWindowPercent > 100) {
    yield `panic-window-percentage = ${config.panicWindowPercent}, must be in [1, 100] interval`;
  }
}

function* scaleComplaints(config: AutoscalerConfig): Generator<string> {
  const { initialScale, minScale, maxScale, maxScaleLimit } = config;
  if (initialScale < 0 || (initialScale === 0 && !config.allowsZeroInitialScale)) {
    yield `initial-scale = ${initialScale}, must be at least 0 (or at least 1 when allow-zero-initial-scale is false)`;
  }
  if (minScale < 0) yield `min-scale = ${minScale}, must be at least 0`;
  // Where there is a limit, "no limit" is beyond it.
  const least = maxScaleLimit > 0 ? 1 : 0;
  if (maxScale < least || (maxScaleLimit > 0 && maxScale > maxScaleLimit)) {
    yield `max-scale = ${maxScale}, must be in [${least}, max-scale-limit(${maxScaleLimit})] range`;
  }
  if (maxScaleLimit < 0) yield `max-scale-limit = ${maxScaleLimit}, must be at least 0`;
  if (maxScale > 0 && minScale > maxScale) {
    yield `min-scale (${minScale}) must be less than max-scale (${maxScale})`;
  }
}
