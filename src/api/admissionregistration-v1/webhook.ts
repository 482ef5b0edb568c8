import type {
  MutatingWebhook,
  ValidatingWebhook,
  WebhookClientConfig,
} from '#api/generated/admissionregistration-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { forbiddenField, required, wrongValue } from '#api/meta/field-error.ts';

export type Webhook = MutatingWebhook | ValidatingWebhook;

/** What Kubernetes fills in; changes `webhook` in place. */
export function defaultWebhook(webhook: Webhook): void {
  webhook.failurePolicy ??= 'Fail';
  webhook.matchPolicy ??= 'Equivalent';
  webhook.namespaceSelector ??= {};
  webhook.objectSelector ??= {};
  webhook.timeoutSeconds ??= 10;
  for (const rule of webhook.rules ?? []) rule.scope ??= '*';
  const { service } = webhook.clientConfig ?? {};
  if (service) service.port ??= 443;
}

const NAME = /^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const OPERATIONS = ['*', 'CONNECT', 'CREATE', 'DELETE', 'UPDATE'];

/** What Kubernetes refuses of the webhooks of a configuration, in its words. */
export function webhookErrors(webhooks: readonly Webhook[]): FieldError[] {
  const names = webhooks.map(({ name }) => name);
  return webhooks.flatMap((webhook, index) => {
    const path = `webhooks[${index}]`;
    const errors = errorsOf(webhook, path);
    if (names.indexOf(webhook.name) < index) {
      const message = `Duplicate value: ${JSON.stringify(webhook.name)}`;
      errors.push({ path: `${path}.name`, message, reason: 'FieldValueDuplicate' });
    }
    return errors;
  });
}

function errorsOf(webhook: Webhook, path: string): FieldError[] {
  const errors: FieldError[] = [];
  const { name, timeoutSeconds = 10 } = webhook;
  // Demanded by the schema, but a list that is missing is an empty one to Kubernetes.
  const versions: readonly string[] | undefined = webhook.admissionReviewVersions;
  if (!NAME.test(name) || name.split('.').length < 3) {
    const why = 'should be a domain with at least three segments separated by dots';
    errors.push(wrongValue(`${path}.name`, name, why));
  }
  if (!versions?.includes('v1')) {
    const why = 'must include at least one of v1';
    errors.push(wrongValue(`${path}.admissionReviewVersions`, versions ?? [], why));
  }
  if (timeoutSeconds < 1 || timeoutSeconds > 30) {
    const why = 'the timeout value must be between 1 and 30 seconds';
    errors.push(wrongValue(`${path}.timeoutSeconds`, timeoutSeconds, why));
  }
  const choices: [string, string | undefined, readonly string[]][] = [
    ['failurePolicy', webhook.failurePolicy, ['Fail', 'Ignore']],
    ['matchPolicy', webhook.matchPolicy, ['Equivalent', 'Exact']],
    ['sideEffects', webhook.sideEffects ?? '', ['None', 'NoneOnDryRun']],
  ];
  if ('reinvocationPolicy' in webhook) {
    choices.push(['reinvocationPolicy', webhook.reinvocationPolicy, ['IfNeeded', 'Never']]);
  }
  for (const [field, value, supported] of choices) {
    if (value !== undefined && !supported.includes(value)) {
      errors.push(notSupported(`${path}.${field}`, value, supported));
    }
  }
  return [
    ...errors,
    ...ruleErrors(webhook, path),
    ...clientErrors(webhook.clientConfig ?? {}, `${path}.clientConfig`),
  ];
}

function ruleErrors({ rules = [] }: Webhook, path: string): FieldError[] {
  return rules.flatMap((rule, index) => {
    const at = `${path}.rules[${index}]`;
    const errors = (['operations', 'apiGroups', 'apiVersions', 'resources'] as const)
      .filter((field) => (rule[field] ?? []).length === 0)
      .map((field) => required(`${at}.${field}`));
    for (const [position, operation] of (rule.operations ?? []).entries()) {
      if (OPERATIONS.includes(operation)) continue;
      errors.push(notSupported(`${at}.operations[${position}]`, operation, OPERATIONS));
    }
    return errors;
  });
}

/** What is wrong with where a webhook is said to be, by the field at `at`. */
export function clientErrors({ url, service }: WebhookClientConfig, at: string): FieldError[] {
  if ((url === undefined) === (service === undefined)) {
    return [required(at, 'exactly one of url or service is required')];
  }
  if (url === undefined) return [];
  const form = 'desired format: https://host[/path]';
  if (!URL.canParse(url)) {
    return [wrongValue(`${at}.url`, url, `url must be a valid URL: ${form}`)];
  }
  const { protocol, hash, search, username } = new URL(url);
  if (protocol !== 'https:') {
    const why = `'https' is the only allowed URL scheme; ${form}`;
    return [wrongValue(`${at}.url`, protocol.slice(0, -1), why)];
  }
  return [
    ...(username
      ? [forbiddenField(`${at}.url`, 'user information is not permitted in the URL')]
      : []),
    ...(hash ? [forbiddenField(`${at}.url`, 'fragments are not permitted in the URL')] : []),
    ...(search
      ? [forbiddenField(`${at}.url`, 'query parameters are not permitted in the URL')]
      : []),
  ];
}

function notSupported(path: string, value: string, supported: readonly string[]): FieldError {
  const list = supported.map((each) => JSON.stringify(each)).join(', ');
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`;
  return { path, message, reason: 'FieldValueNotSupported' };
}
