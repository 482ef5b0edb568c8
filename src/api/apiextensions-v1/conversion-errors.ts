import { clientErrors } from '#api/admissionregistration-v1/webhook.ts';
import type { CustomResourceConversion } from '#api/generated/apiextensions-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { forbiddenField, required, wrongValue } from '#api/meta/field-error.ts';
import { unsupportedErrors } from '#api/meta/value-errors.ts';

const STRATEGIES = ['None', 'Webhook'];
/** Those of ConversionReview that Kubernetes speaks. */
export const REVIEW_VERSIONS: readonly string[] = ['v1', 'v1beta1'];

/** What Kubernetes refuses of how a definition's versions become each other; its messages have the paths of v1beta1. */
export function conversionErrors(
  { strategy, webhook }: CustomResourceConversion = { strategy: 'None' },
): FieldError[] {
  const [client, versions] = ['webhookClientConfig', 'conversionReviewVersions'].map(
    (field) => `spec.conversion.${field}`,
  ) as [string, string];
  const errors = unsupportedErrors('spec.conversion.strategy', strategy, STRATEGIES);
  const { clientConfig, conversionReviewVersions = [] } = webhook ?? {};
  if (strategy !== 'Webhook') {
    const why = 'should not be set when strategy is not set to Webhook';
    if (clientConfig) errors.push(forbiddenField(client, why));
    if (conversionReviewVersions.length > 0) errors.push(forbiddenField(versions, why));
    return errors;
  }
  if (clientConfig) errors.push(...clientErrors(clientConfig, client));
  else errors.push(required(client, 'required when strategy is set to Webhook'));
  if (conversionReviewVersions.length === 0) return [...errors, required(versions)];
  for (const [index, version] of conversionReviewVersions.entries()) {
    if (conversionReviewVersions.indexOf(version) === index) continue;
    errors.push(wrongValue(`${versions}[${index}]`, version, 'duplicate version'));
  }
  if (!conversionReviewVersions.some((version) => REVIEW_VERSIONS.includes(version))) {
    const why = `must include at least one of ${REVIEW_VERSIONS.join(', ')}`;
    errors.push(wrongValue(versions, conversionReviewVersions, why));
  }
  return errors;
}
