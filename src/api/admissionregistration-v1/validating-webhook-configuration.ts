import type { ValidatingWebhookConfiguration as Generated } from '#api/generated/admissionregistration-v1.ts';
import { defaultWebhook, webhookErrors } from '#api/admissionregistration-v1/webhook.ts';
import { defineCoreKind } from '#api/kind.ts';

export type ValidatingWebhookConfiguration = Generated;
export const ValidatingWebhookConfiguration = defineCoreKind<Generated>({
  group: 'admissionregistration.k8s.io',
  version: 'v1',
  kind: 'ValidatingWebhookConfiguration',
  plural: 'validatingwebhookconfigurations',
  categories: ['api-extensions'],
  scope: 'Cluster',
  definition: 'io.k8s.api.admissionregistration.v1.ValidatingWebhookConfiguration',
  default({ webhooks = [] }) {
    for (const webhook of webhooks) defaultWebhook(webhook);
  },
  validate: ({ webhooks = [] }) => webhookErrors(webhooks),
});
