import type {
  MutatingWebhook,
  ValidatingWebhook,
  WebhookClientConfig,
} from '#api/generated/admissionregistration-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { portErrors } from '#api/meta/address-errors.ts';
import { subdomain } from '#api/meta/name-errors.ts';
import { selectorErrors } from '#api/meta/selector-errors.ts';
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

const SCOPES = ['*', 'Cluster', 'Namespaced'];
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
  const inName = subdomain(name ?? '');
  errors.push(...inName.map((why) => wrongValue(`${path}.name`, name ?? '', why)));
  if (inName.length === 0 && name.split('.').length < 3) {
    const why = 'should be a domain with at least three segments separated by dots';
    errors.push(wrongValue(`${path}.name`, name, why));
  }
  if (!versions?.length) {
    const why = 'must specify one of v1, v1beta1';
    errors.push(required(`${path}.admissionReviewVersions`, why));
  } else if (!versions.includes('v1')) {
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
    ['sideEffects', webhook.sideEffects, ['None', 'NoneOnDryRun']],
  ];
  if ('reinvocationPolicy' in webhook) {
    choices.push(['reinvocationPolicy', webhook.reinvocationPolicy, ['IfNeeded', 'Never']]);
  }
  for (const [field, value, supported] of choices) {
    if (value !== undefined && !supported.includes(value)) {
      errors.push(notSupported(`${path}.${field}`, value, supported));
    }
  }
  // Demanded by the schema too, whose words are others.
  if ((webhook.sideEffects as string | undefined) === undefined) {
    errors.push(required(`${path}.sideEffects`, 'must specify one of None, NoneOnDryRun'));
  }
  return [
    ...errors,
    ...ruleErrors(webhook, path),
    ...selectorErrors(webhook.namespaceSelector, `${path}.namespaceSelector`),
    ...selectorErrors(webhook.objectSelector, `${path}.objectSelector`),
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
    const resources = rule.resources ?? [];
    if (resources.includes('*') && resources.some((one) => one !== '*' && !one.includes('/'))) {
      const why = "if '*' is present, must not specify other resources without subresources";
      errors.push(wrongValue(`${at}.resources`, resources, why));
    }
    if (rule.scope !== undefined && !SCOPES.includes(rule.scope)) {
      errors.push(notSupported(`${at}.scope`, rule.scope, SCOPES));
    }
    return errors;
  });
}

/** What is wrong with where a webhook is said to be, by the field at `at`. */
export function clientErrors({ url, service }: WebhookClientConfig, at: string): FieldError[] {
  if ((url === undefined) === (service === undefined)) {
    return [required(at, 'exactly one of url or service is required')];
  }
  if (service) return serviceErrors(service, `${at}.service`);
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

function serviceErrors(
  { name, namespace, port, path }: NonNullable<WebhookClientConfig['service']>,
  at: string,
): FieldError[] {
  const inPort = port === undefined ? [] : portErrors(`${at}.port`, port);
  return [
    ...(name ? [] : [required(`${at}.name`)]),
    ...(namespace ? [] : [required(`${at}.namespace`)]),
    ...(path === undefined ? [] : pathErrors(path, `${at}.path`)),
    ...inPort.map((error) => ({
      ...error,
      message: error.message.replace('must be', 'port is not valid: must be'),
    })),
  ];
}

function pathErrors(path: string, at: string): FieldError[] {
  if (path === '' || path === '/') return [];
  const errors = path.startsWith('/') ? [] : [wrongValue(at, path, "must start with a '/'")];
  const [first, ...segments] = path.replace(/\/$/, '').split('/');
  const all = path.startsWith('/') ? segments : [first ?? '', ...segments];
  return [
    ...errors,
    ...all.flatMap((segment, index) =>
      segment === ''
        ? [wrongValue(at, path, `segment[${index}] may not be empty`)]
        : subdomain(segment).map((why) => wrongValue(at, path, `segment[${index}]: ${why}`)),
    ),
  ];
}

function notSupported(path: string, value: string, supported: readonly string[]): FieldError {
  const list = supported.map((each) => JSON.stringify(each)).join(', ');
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`;
  return { path, message, reason: 'FieldValueNotSupported' };
}
