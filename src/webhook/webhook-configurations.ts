import type { MutatingWebhookConfiguration } from '#api/admissionregistration-v1/mutating-webhook-configuration.ts';
import type { ValidatingWebhookConfiguration } from '#api/admissionregistration-v1/validating-webhook-configuration.ts';
import type { Kind } from '#api/kind.ts';
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
): readonly [MutatingWebhookConfiguration, ValidatingWebhookConfiguration] {
  const asked = kinds.filter(({ webhook }) => webhook !== undefined);
  const validating = [...new Set(asked.flatMap(({ webhook }) => webhook ?? []))];
  const apiVersion = 'admissionregistration.k8s.io/v1';
  return [
    {
      apiVersion,
      kind: 'MutatingWebhookConfiguration',
      metadata: { name: DEFAULTING },
      webhooks: [{ name: DEFAULTING, ...webhookOf('defaulting', asked, address) }],
    },
    {
      apiVersion,
      kind: 'ValidatingWebhookConfiguration',
      metadata: { name: validating[0] ?? '' },
      webhooks: validating.map((name) => {
        const own = asked.filter(({ webhook }) => webhook === name);
        return { name, ...webhookOf('validation', own, address) };
      }),
    },
  ];
}

function webhookOf(step: Step, kinds: readonly Kind[], { url, authority }: WebhookAddress) {
  const groups = Map.groupBy(kinds, ({ group, version }) => `${group}/${version}`);
  return {
    clientConfig: {
      url: `${url}${STEP_PATHS[step]}`,
      caBundle: Buffer.from(authority).toString('base64'),
    },
    rules: [...groups.values()].map((of) => ({
      apiGroups: [of[0]?.group ?? ''],
      apiVersions: [of[0]?.version ?? ''],
      operations: ['CREATE', 'UPDATE'],
      resources: of.map(({ plural }) => plural),
      scope: '*',
    })),
    sideEffects: 'None',
    admissionReviewVersions: ['v1'],
    failurePolicy: 'Fail',
    matchPolicy: 'Equivalent',
    timeoutSeconds: 10,
  };
}
