import type { MutatingWebhookConfiguration as Generated } from '#api/generated/admissionregistration-v1.ts';
import { defaultWebhook, webhookErrors } from '#api/admissionregistration-v1/webhook.ts';
import { defineCoreKind } from '#api/kind.ts';

export type MutatingWebhookConfiguration = Generated;
export const MutatingWebhookConfiguration = defineCoreKind<Generated>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'MutatingWebhookConfiguration',
  plural: 'mutatingwebhookconfigurations',
  categories: ['api-extensions'],
  scope: 'Cluster',
  definition: 'io.k8s.api.admissionregistration.v1.MutatingWebhookConfiguration',
  default({ webhooks = [] }) {
    for (const webhook of webhooks) {
      defaultWebhook(webhook);
      webhook.reinvocationPolicy ??= 'Never';
    }
  },
  validate: ({ webhooks = [] }) => webhookErrors(webhooks),
});
