import { MutatingWebhookConfiguration } from '#api/admissionregistration-v1/mutating-webhook-configuration.ts';
import { ValidatingWebhookConfiguration } from '#api/admissionregistration-v1/validating-webhook-configuration.ts';
import type { Webhook } from '#api/admissionregistration-v1/webhook.ts';
import type { FieldError, Kind } from '#api/kind.ts';
import { invalid } from '#api/meta/api-error.ts';
import { required, wrongValue } from '#api/meta/field-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import type { AdmissionStep } from '#apiserver/admission/admit.ts';
import { CompilationError } from '#apiserver/cel/compilation-error.ts';
import { resultOf } from '#apiserver/cel/expression.ts';

const KINDS: readonly Kind[] = [MutatingWebhookConfiguration, ValidatingWebhookConfiguration];
const CONDITIONS_MAX = 64;
/** What is known of what conditions see: nothing. */
const VARIABLES = { object: {}, oldObject: {}, request: {} };

/** Refuses webhooks whose match conditions do not compile. */
export const conditionCheck: AdmissionStep = {
  handles: (kind) => KINDS.includes(kind),
  admit(object, { kind }) {
    const { webhooks = [] } = object as KubeObject & { webhooks?: Webhook[] };
    const errors = webhooks.flatMap(({ matchConditions = [] }, index) => {
      const path = `webhooks[${index}].matchConditions`;
      if (matchConditions.length > CONDITIONS_MAX) {
        const message = `Too many: ${matchConditions.length}: must have at most ${CONDITIONS_MAX} items`;
        return [{ path, message }];
      }
      return matchConditions.flatMap(({ name, expression }, position) => [
        ...(name ? [] : [required(`${path}[${position}].name`)]),
        ...expressionErrors(expression, `${path}[${position}].expression`),
      ]);
    });
    if (errors.length === 0) return Promise.resolve(undefined);
    return Promise.reject(invalid(kind, object.metadata.name ?? '', errors));
  },
};

function expressionErrors(expression: string, path: string): FieldError[] {
  if (expression.trim() === '') return [required(path)];
  try {
    const { type = 'boolean' } = resultOf(expression, VARIABLES);
    return type === 'boolean' ? [] : [wrongValue(path, expression, 'must evaluate to bool')];
  } catch (error) {
    if (!(error instanceof CompilationError)) throw error;
    return [wrongValue(path, expression, `compilation failed: ERROR: ${error.message}`)];
  }
}
