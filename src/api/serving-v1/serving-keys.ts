/** Labels and annotations of Knative Serving. */
export const servingKeys = {
  /** Labels. */
  service: 'serving.knative.dev/service',
  serviceUid: 'serving.knative.dev/serviceUID',
  configuration: 'serving.knative.dev/configuration',
  configurationUid: 'serving.knative.dev/configurationUID',
  configurationGeneration: 'serving.knative.dev/configurationGeneration',
  revision: 'serving.knative.dev/revision',
  revisionUid: 'serving.knative.dev/revisionUID',
  route: 'serving.knative.dev/route',
  routeNamespace: 'serving.knative.dev/routeNamespace',
  /** `pending`, `active` or `reserve`. */
  routingState: 'serving.knative.dev/routingState',
  app: 'app',
  /** Annotations. */
  creator: 'serving.knative.dev/creator',
  lastModifier: 'serving.knative.dev/lastModifier',
  /** Names of the Routes that lead here, with commas. */
  routes: 'serving.knative.dev/routes',
  routingStateModified: 'serving.knative.dev/routingStateModified',
  lastPinned: 'serving.knative.dev/lastPinned',
  noGc: 'serving.knative.dev/no-gc',
  progressDeadline: 'serving.knative.dev/progress-deadline',
  rolloutDuration: 'serving.knative.dev/rollout-duration',
  rolloutDurationAlias: 'serving.knative.dev/rolloutDuration',
} as const;

/** kubectl's own record of what it applied; it belongs to the object it is on. */
export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** Who refuses what is wrong with Serving's kinds. */
export const SERVING_WEBHOOK = 'validation.webhook.serving.knative.dev';
