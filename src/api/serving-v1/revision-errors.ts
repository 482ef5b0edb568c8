import { isDeepStrictEqual } from 'node:util';
import type { EnvVar } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { scaleAnnotationErrors } from '#api/autoscaling-v1alpha1/scale-annotations.ts';
import { dns1035Error } from '#api/meta/dns-label.ts';
import { parseGoDuration } from '#api/meta/go-duration.ts';
import { revisionDefaults } from '#api/serving-v1/revision-defaults.ts';
import {
  servingContainer,
  type RevisionContainer,
  type RevisionSpec,
  type RevisionTemplate,
} from '#api/serving-v1/revision-template.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';

const RESERVED_ENV = ['PORT', 'K_SERVICE', 'K_CONFIGURATION', 'K_REVISION'];
const RESERVED_PORTS = [8008, 8012, 8013, 8022, 9090, 9091];

interface TemplateOwner {
  readonly metadata: { readonly name?: string; readonly generateName?: string };
  readonly spec?: { readonly template?: RevisionTemplate };
}

/** What is wrong with the template of a Service or Configuration; `previous` is that object before an update. */
export function templateErrors(owner: TemplateOwner, previous?: TemplateOwner): FieldError[] {
  const template = owner.spec?.template ?? {};
  const at = 'spec.template';
  const annotations = template.metadata?.annotations ?? {};
  return [
    ...revisionNameErrors(owner, previous),
    ...scaleAnnotationErrors(annotations, `${at}.metadata.annotations`),
    ...progressDeadlineErrors(annotations, `${at}.metadata.annotations`),
    ...revisionSpecErrors(template.spec ?? {}, `${at}.spec`),
  ];
}

/** The rules for a revision name that the user brings. */
function revisionNameErrors(owner: TemplateOwner, previous?: TemplateOwner): FieldError[] {
  const template = owner.spec?.template;
  const name = template?.metadata?.name;
  if (!name) return [];
  const path = 'spec.template.metadata.name';
  const dnsError = dns1035Error(name);
  if (dnsError) return [{ path, message: `not a DNS 1035 label: [${dnsError}]` }];
  if (owner.metadata.generateName && !owner.metadata.name) {
    return [{ path, message: 'must not set the field(s)', reason: 'FieldValueForbidden' }];
  }
  const prefix = `${owner.metadata.name}-`;
  if (!name.startsWith(prefix)) {
    return [{ path, message: `invalid value: "${name}" must have prefix "${prefix}"` }];
  }
  const before = previous?.spec?.template;
  if (before?.metadata?.name === name && !isDeepStrictEqual(before, template)) {
    const message = 'Saw the following changes without a name change (-old +new)';
    return [{ path, message }];
  }
  return [];
}

function progressDeadlineErrors(annotations: Record<string, string>, at: string): FieldError[] {
  const value = annotations[servingKeys.progressDeadline];
  if (value === undefined) return [];
  const durationMs = parseGoDuration(value);
  const path = `${at}.${servingKeys.progressDeadline}`;
  if (durationMs === undefined) return [{ path, message: `invalid value: ${value}` }];
  if (durationMs % 1_000 !== 0) {
    return [{ path, message: `progress-deadline=${value} is not at second precision` }];
  }
  if (durationMs <= 0) return [{ path, message: `progress-deadline=${value} must be positive` }];
  return [];
}

export function revisionSpecErrors(spec: RevisionSpec, at: string): FieldError[] {
  const containers = spec.containers ?? [];
  const { timeoutSecondsMax, containerConcurrencyMax } = revisionDefaults;
  return [
    ...rangeErrors(spec.timeoutSeconds, timeoutSecondsMax, `${at}.timeoutSeconds`),
    ...rangeErrors(
      spec.containerConcurrency,
      containerConcurrencyMax,
      `${at}.containerConcurrency`,
    ),
    ...(spec.automountServiceAccountToken === true
      ? [forbidden(`${at}.automountServiceAccountToken`)]
      : []),
    ...(containers.length === 0 ? [missing(`${at}.containers`)] : []),
    ...portCountErrors(containers, at),
    ...duplicateNameErrors(containers, at),
    ...containers.flatMap((container, index) =>
      containerErrors(container, `${at}.containers[${index}]`, servingContainer(spec)),
    ),
  ];
}

function rangeErrors(value: number | undefined, high: number, path: string): FieldError[] {
  if (value === undefined || (value >= 0 && value <= high)) return [];
  return [{ path, message: `expected 0 <= ${value} <= ${high}` }];
}

function portCountErrors(containers: readonly RevisionContainer[], at: string): FieldError[] {
  const count = containers.reduce((sum, { ports }) => sum + (ports ?? []).length, 0);
  const path = `${at}.containers${containers.length > 1 ? '[*]' : '[0]'}.ports`;
  if (count > 1) return [{ path, message: 'more than one container port is set' }];
  if (containers.length > 1 && count === 0) return [missing(path)];
  return [];
}

function duplicateNameErrors(containers: readonly RevisionContainer[], at: string): FieldError[] {
  const names = containers.map((container) => container.name);
  return names.flatMap((name, index) =>
    name && names.indexOf(name) < index
      ? [{ path: `${at}.containers[${index}].name`, message: `duplicate container name "${name}"` }]
      : [],
  );
}

function containerErrors(
  container: RevisionContainer,
  at: string,
  serving: RevisionContainer | undefined,
): FieldError[] {
  const errors: FieldError[] = [];
  if (!container.image) errors.push(missing(`${at}.image`));
  if (container.name === 'queue-proxy') {
    const message = '"queue-proxy" is a reserved container name';
    errors.push({ path: `${at}.name`, message });
  }
  if (container === serving) errors.push(...reservedEnvErrors(container.env ?? [], at));
  for (const port of container.ports ?? []) {
    const path = `${at}.ports`;
    if (port.hostPort) errors.push(forbidden(`${path}.hostPort`));
    if (port.hostIP) errors.push(forbidden(`${path}.hostIP`));
    if (!['', 'h2c', 'http1'].includes(port.name ?? '')) {
      const message = `Port name ${port.name} is not allowed`;
      errors.push({ path, message });
    }
    if (!['', 'TCP'].includes(port.protocol ?? '')) {
      errors.push({ path: `${path}.protocol`, message: `invalid value: ${port.protocol}` });
    }
    const number = port.containerPort ?? 0;
    errors.push(...rangeErrors(number, 65_535, `${path}.containerPort`));
    if (RESERVED_PORTS.includes(number)) {
      const message = `invalid value: ${number} is a reserved port`;
      errors.push({ path: `${path}.containerPort`, message });
    }
  }
  return errors;
}

function reservedEnvErrors(env: readonly EnvVar[], at: string): FieldError[] {
  return env.flatMap(({ name }, index) =>
    RESERVED_ENV.includes(name)
      ? [
          {
            path: `${at}.env[${index}].name`,
            message: `"${name}" is a reserved environment variable`,
          },
        ]
      : [],
  );
}

function missing(path: string): FieldError {
  return { path, message: 'missing field(s)', reason: 'FieldValueRequired' };
}

function forbidden(path: string): FieldError {
  return { path, message: 'must not set the field(s)', reason: 'FieldValueForbidden' };
}
