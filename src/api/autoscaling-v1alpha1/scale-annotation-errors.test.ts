import assert from 'node:assert/strict';
import { test } from 'node:test';
import { scaleAnnotationErrors } from '#api/autoscaling-v1alpha1/scale-annotation-errors.ts';
import { SCALE_PREFIX } from '#api/autoscaling-v1alpha1/scale-annotations.ts';
import { complaintLines } from '#api/meta/api-error.ts';
import { parseAutoscalerConfig } from '#api/serving-config/config-autoscaler.ts';

type Said = Readonly<Record<string, string>>;

/** What upstream says of these, without what all the paths begin with. */
function complaintsOf(said: Said, config: Said): string[] {
  const annotations = Object.fromEntries(
    Object.entries(said).map(([name, value]) => [SCALE_PREFIX + name, value]),
  );
  const errors = scaleAnnotationErrors(annotations, 'at', parseAutoscalerConfig(config));
  return complaintLines(errors).map((line) => line.replaceAll(`at.${SCALE_PREFIX}`, ''));
}

const HPA = 'hpa.autoscaling.knative.dev';
const KPA = 'kpa.autoscaling.knative.dev';
const MOST = '2147483647';

const rows: readonly (readonly [Said, Said, ...string[]])[] = [
  [{}, {}],
  // How many pods.
  [{ 'min-scale': '1', 'max-scale': '1', 'initial-scale': '1' }, {}],
  [{ 'min-scale': '+5' }, {}],
  [{ 'min-scale': 'few' }, {}, 'invalid value: few: min-scale'],
  [{ 'min-scale': '' }, {}, 'invalid value: : min-scale'],
  [{ 'min-scale': '1.5' }, {}, 'invalid value: 1.5: min-scale'],
  [{ 'min-scale': '-1' }, {}, `expected 0 <= -1 <= ${MOST}: min-scale`],
  [{ 'max-scale': '2147483648' }, {}, `expected 0 <= 2147483648 <= ${MOST}: max-scale`],
  [
    { 'min-scale': '99999999999999999999', 'max-scale': '1' },
    {},
    `expected 0 <= 99999999999999999999 <= ${MOST}: min-scale`,
  ],
  [
    { minScale: '3', maxScale: '2' },
    {},
    'max-scale=2 is less than min-scale=3: max-scale, min-scale',
  ],
  [{ minScale: 'x', 'min-scale': '1' }, {}],
  [{ 'min-scale': '3', 'max-scale': '0' }, {}],
  [
    { 'max-scale': '7' },
    { 'max-scale-limit': '5', 'max-scale': '5' },
    'expected 1 <= 7 <= 5: max-scale',
  ],
  [
    { maxScale: '0' },
    { 'max-scale-limit': '5', 'max-scale': '5' },
    'max-scale=0 (unlimited), must be less than 5: maxScale',
  ],
  [{ 'min-scale': '9' }, { 'max-scale-limit': '5', 'max-scale': '5' }],
  [{ 'initial-scale': 'x' }, {}, 'invalid value: x: initial-scale'],
  [{ initialScale: '-1' }, {}, 'invalid value: -1: initialScale must be greater than 0'],
  [{ 'initial-scale': '0' }, {}, 'invalid value: 0: initial-scale=0 not allowed by cluster'],
  [{ 'initial-scale': '0' }, { 'allow-zero-initial-scale': 'true' }],
  [{ 'activation-scale': '2', 'min-scale': '2', 'max-scale': '2' }, {}],
  [{ 'activation-scale': 'x' }, {}, 'invalid value: x: activation-scale'],
  [{ 'activation-scale': '1' }, {}, 'activation-scale=1 must be greater than 1: activation-scale'],
  [
    { 'activation-scale': '1', 'min-scale': '2' },
    {},
    'min-scale=2 is greater than activation-scale=1: activation-scale',
  ],
  [
    { 'activation-scale': '5', 'max-scale': '4' },
    {},
    'max-scale=4 is less than activation-scale=5: activation-scale',
  ],
  // By what, and how eagerly.
  [{ class: 'mine.example.com', metric: 'tea', 'metric-aggregation-algorithm': 'guess' }, {}],
  [{ class: 'mine.knative.dev' }, {}, 'invalid value: mine.knative.dev: class'],
  [{ metric: 'cpu' }, {}, 'invalid value: cpu: metric'],
  [{ metric: 'rps' }, {}],
  [{ metric: 'cpu' }, { 'pod-autoscaler-class': HPA }],
  [{ class: HPA, metric: '' }, {}, 'invalid value: : metric'],
  [{ 'metric-aggregation-algorithm': 'guess' }, {}],
  [
    { class: KPA, metricAggregationAlgorithm: 'guess' },
    {},
    'invalid value: guess: metricAggregationAlgorithm',
  ],
  [{ class: KPA, 'metric-aggregation-algorithm': 'weightedExponential' }, {}],
  [{ target: '0.01' }, {}],
  [{ target: '1e2' }, {}],
  [{ target: '1e400' }, {}, 'invalid value: 1e400: target'],
  [{ target: '0.009' }, {}, 'target 0.009 should be at least 0.01: target'],
  [{ target: 'x' }, {}, 'invalid value: x: target'],
  [
    { 'target-utilization-percentage': '0.5' },
    {},
    'expected 1 <= 0.5 <= 100: target-utilization-percentage',
  ],
  [
    { targetUtilizationPercentage: '101' },
    {},
    'expected 1 <= 101 <= 100: targetUtilizationPercentage',
  ],
  [{ 'target-burst-capacity': '-1' }, {}],
  [{ 'target-burst-capacity': '-2' }, {}, 'invalid value: -2: target-burst-capacity'],
  [{ 'panic-window-percentage': '0.9' }, {}, 'expected 1 <= 0.9 <= 100: panic-window-percentage'],
  [
    { 'panic-threshold-percentage': '109' },
    {},
    'expected 110 <= 109 <= 1000: panic-threshold-percentage',
  ],
  [
    { panicThresholdPercentage: '1001' },
    {},
    'expected 110 <= 1001 <= 1000: panicThresholdPercentage',
  ],
  // For how long.
  [{ window: '6s' }, {}],
  [{ window: '1h' }, {}],
  [{ window: '60' }, {}, 'invalid value: 60: window'],
  [{ window: '5s' }, {}, 'expected 6s <= 5s <= 1h0m0s: window'],
  [{ window: '1h1s' }, {}, 'expected 6s <= 1h1s <= 1h0m0s: window'],
  [{ window: '6.5s' }, {}, 'must be specified with at most second precision: window'],
  [{ window: '1.5s' }, {}, 'expected 6s <= 1.5s <= 1h0m0s: window'],
  [{ 'scale-down-delay': '0s' }, {}],
  [{ scaleDownDelay: '-1s' }, {}, 'expected 0s <= -1s <= 1h0m0s: scaleDownDelay'],
  [
    { 'scale-down-delay': '1500ms' },
    {},
    'must be specified with at most second precision: scale-down-delay',
  ],
  [{ 'scale-to-zero-pod-retention-period': '1500ms' }, {}],
  [
    { scaleToZeroPodRetentionPeriod: '2h' },
    {},
    'expected 0s <= 2h <= 1h0m0s: scaleToZeroPodRetentionPeriod',
  ],
];

for (const [said, config, ...expected] of rows) {
  const what = JSON.stringify(said);
  test(`scale annotations: ${what} ${expected.length > 0 ? 'is refused' : 'is taken'}`, () => {
    assert.deepEqual(complaintsOf(said, config), expected);
  });
}
