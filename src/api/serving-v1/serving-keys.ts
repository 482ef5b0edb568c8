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
  domainMappingUid: 'serving.knative.dev/domainMappingUID',
  domainMappingNamespace: 'serving.knative.dev/domainMappingNamespace',
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

const QUEUE = 'queue.sidecar.serving.knative.dev';

/** Annotations about the sidecar, of which there is none here: checked, kept, and without effect. */
export const queueKeys = {
  /** Spellings; the first one present counts. */
  resourcePercentage: [`${QUEUE}/resource-percentage`, `${QUEUE}/resourcePercentage`],
  quantities: ['cpu', 'memory', 'ephemeral-storage'].flatMap((resource) => [
    `${QUEUE}/${resource}-resource-request`,
    `${QUEUE}/${resource}-resource-limit`,
  ]),
} as const;

/** The first of several spellings that is there. */
export function findAlias(
  annotations: Readonly<Record<string, string>> | undefined,
  names: readonly string[],
): { readonly key: string; readonly value: string } | undefined {
  for (const key of names) {
    const value = annotations?.[key];
    if (value !== undefined) return { key, value };
  }
  return undefined;
}

/** kubectl's own record of what it applied; it belongs to the object it is on. */
export const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';

/** Who refuses what is wrong with Serving's kinds. */
export const SERVING_WEBHOOK = 'validation.webhook.serving.knative.dev';
