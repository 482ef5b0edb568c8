import type { MutatingWebhookConfiguration } from '#api/admissionregistration-v1/mutating-webhook-configuration.ts';
import type { ValidatingWebhookConfiguration } from '#api/admissionregistration-v1/validating-webhook-configuration.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import type { Kind } from '#api/kind.ts';
import { CONFIG_NAMESPACE, CONFIG_WEBHOOK } from '#api/serving-config/config-maps.ts';
import type { Step } from '#webhook/review.ts';
import { STEP_PATHS } from '#webhook/webhook-server.ts';

export interface WebhookAddress {
  /** Without a slash at its end. */
  readonly url: string;
  /** The authority that vouches for it, PEM. */
  readonly authority: string;
}

/** Knative's name of the webhook that fills in defaults. */
const DEFAULTING = 'webhook.serving.knative.dev';

/** Makes an API server ask about the kinds that name a webhook, at each write of one; without an answer it refuses. */
export function webhookConfigurations(
  kinds: readonly Kind[],
  address: WebhookAddress,
): readonly [MutatingWebhookConfiguration, ...ValidatingWebhookConfiguration[]] {
  const asked = kinds.filter(({ webhook }) => webhook !== undefined);
  const validating = [...new Set(asked.flatMap(({ webhook }) => webhook ?? []))];
  const defaulting = { ...webhookOf('defaulting', address), rules: rulesOf(asked) };
  return [
    {
      apiVersion,
      kind: 'MutatingWebhookConfiguration',
      metadata: { name: DEFAULTING },
      webhooks: [{ name: DEFAULTING, ...defaulting, reinvocationPolicy: 'IfNeeded' }],
    },
    ...validating.map((name) => {
      const own = asked.filter(({ webhook }) => webhook === name);
      return validatingConfiguration(name, {
        ...webhookOf('validation', address),
        rules: rulesOf(own),
      });
    }),
    validatingConfiguration(CONFIG_WEBHOOK, {
      ...webhookOf('config', address),
      rules: rulesOf([ConfigMap]),
      namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': CONFIG_NAMESPACE } },
    }),
  ];
}

const apiVersion = 'admissionregistration.k8s.io/v1';

function validatingConfiguration(
  name: string,
  webhook: Omit<NonNullable<ValidatingWebhookConfiguration['webhooks']>[number], 'name'>,
): ValidatingWebhookConfiguration {
  return {
    apiVersion,
    kind: 'ValidatingWebhookConfiguration',
    metadata: { name },
    webhooks: [{ name, ...webhook }],
  };
}

function webhookOf(step: Step, { url, authority }: WebhookAddress) {
  return {
    clientConfig: {
      url: `${url}${STEP_PATHS[step]}`,
      caBundle: Buffer.from(authority).toString('base64'),
    },
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    failurePolicy: 'Fail',
    matchPolicy: 'Equivalent',
    timeoutSeconds: 10,
    // Who labels a namespace so wants nobody asked there.
    namespaceSelector: {
      matchExpressions: [{ key: 'webhooks.knative.dev/exclude', operator: 'DoesNotExist' }],
    },
  };
}

function rulesOf(kinds: readonly Pick<Kind, 'group' | 'version' | 'plural'>[]) {
  const groups = Map.groupBy(kinds, ({ group, version }) => `${group}/${version}`);
  return [...groups.values()].map((of) => ({
    apiGroups: [of[0]?.group ?? ''],
    apiVersions: [of[0]?.version ?? ''],
    operations: ['CREATE', 'UPDATE'],
    resources: of.map(({ plural }) => plural),
    scope: '*',
  }));
}
