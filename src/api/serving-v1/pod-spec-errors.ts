import type { FieldError } from '#api/kind.ts';
import { subdomain } from '#api/meta/name-errors.ts';
import {
  boundErrors,
  disallowed,
  invalidValue,
  isSet,
  isThere,
  missing,
} from '#api/meta/knative-error.ts';
import type { Feature } from '#api/serving-config/config-features.ts';
import type { ServingSettings } from '#api/serving-config/config-maps.ts';
import { containerErrors, initContainerErrors } from '#api/serving-v1/container-errors.ts';
import type { RevisionContainer, RevisionSpec } from '#api/serving-v1/revision-template.ts';
import { podSecurityErrors } from '#api/serving-v1/security-errors.ts';
import { volumeErrors } from '#api/serving-v1/volume-errors.ts';

/** Fields of a pod's spec that are there where their feature is not disabled. */
const GATED = [
  'affinity',
  'topologySpreadConstraints',
  'hostAliases',
  'nodeSelector',
  'tolerations',
  'runtimeClassName',
  'priorityClassName',
  'schedulerName',
  'dnsPolicy',
  'dnsConfig',
  'shareProcessNamespace',
  'hostIPC',
  'hostPID',
  'hostNetwork',
  'initContainers',
] as const satisfies readonly Feature[];

/** What is wrong with the spec of a revision (serving specification §2.5); `at` is its path. */
export function revisionSpecErrors(
  spec: RevisionSpec,
  at: string,
  settings: ServingSettings,
): FieldError[] {
  const { timeoutSecondsMax, containerConcurrencyMax, allowsConcurrencyZero } = settings.defaults;
  const concurrency = { low: allowsConcurrencyZero ? 0 : 1, high: containerConcurrencyMax };
  const timeout = { low: 0, high: timeoutSecondsMax };
  return [
    ...boundErrors(spec.timeoutSeconds, timeout, `${at}.timeoutSeconds`),
    ...boundErrors(spec.containerConcurrency, concurrency, `${at}.containerConcurrency`),
    ...podFieldErrors(spec, at, settings),
    ...podSecurityErrors(spec.securityContext, `${at}.securityContext`, settings),
    ...volumeErrors(spec, `${at}.volumes`, settings),
    ...serviceAccountErrors(spec.serviceAccountName, `${at}.serviceAccountName`),
    ...allContainerErrors(spec, at, settings),
  ];
}

function podFieldErrors(
  spec: RevisionSpec,
  at: string,
  { features }: ServingSettings,
): FieldError[] {
  const closed = GATED.filter((name) => features[name] === 'Disabled' && isGiven(spec, name));
  const wrong: string[] = [...closed];
  if (spec.automountServiceAccountToken === true) wrong.push('automountServiceAccountToken');
  return wrong.length === 0 ? [] : [disallowed(...wrong.map((name) => `${at}.${name}`))];
}

/** Where Go has a pointer, also the zero value is given. */
const POINTERS: readonly string[] = ['runtimeClassName', 'shareProcessNamespace'];

function isGiven(spec: RevisionSpec, name: (typeof GATED)[number]): boolean {
  const value = spec[name];
  if (name === 'nodeSelector') return Object.keys(value ?? {}).length > 0;
  return POINTERS.includes(name) ? isThere(value) : isSet(value);
}

function serviceAccountErrors(name: string | undefined, at: string): FieldError[] {
  return (name ? subdomain(name) : []).map((why) => invalidValue(name, at, why));
}

function allContainerErrors(
  spec: RevisionSpec,
  at: string,
  settings: ServingSettings,
): FieldError[] {
  const { containers = [], initContainers = [] } = spec;
  const { features } = settings;
  const errors: FieldError[] = [];
  // Unlike the other fields of a pod: `allowed` is not enough.
  const isInitAllowed = features.initContainers === 'Enabled';
  if (initContainers.length > 0 && !isInitAllowed) {
    const message = `pod spec support for init-containers is off, but found ${initContainers.length} init containers`;
    errors.push({ path: '', message });
  }
  for (const [index, container] of isInitAllowed ? initContainers.entries() : []) {
    // Upstream tells these by the paths of the other containers.
    const path = `${at}.containers[${index}]`;
    if (containers.some(({ name }) => name && name === container.name)) {
      errors.push(duplicateName(container, path));
    }
    errors.push(...initContainerErrors(container, path, { spec, settings }));
  }
  if (containers.length === 0) return [...errors, missing(`${at}.containers`)];
  errors.push(...portCountErrors(containers, at));
  if (containers.length > 1 && features.multiContainer !== 'Enabled') {
    const message = `multi-container is off, but found ${containers.length} containers`;
    return [...errors, { path: '', message }];
  }
  for (const [index, container] of containers.entries()) {
    const path = `${at}.containers[${index}]`;
    errors.push(...containerErrors(container, path, { spec, settings }));
  }
  return containers.length > 1 ? [...errors, ...duplicateNameErrors(containers, at)] : errors;
}

function portCountErrors(containers: readonly RevisionContainer[], at: string): FieldError[] {
  const count = containers.reduce((sum, { ports }) => sum + (ports ?? []).length, 0);
  const path = `${at}.containers[*].ports`;
  if (count > 1) {
    const details = 'Only a single port is allowed across all containers';
    return [{ path, message: 'more than one container port is set', details }];
  }
  return containers.length > 1 && count === 0 ? [missing(path)] : [];
}

function duplicateNameErrors(containers: readonly RevisionContainer[], at: string): FieldError[] {
  const seen = new Set<string>();
  return containers.flatMap((container, index) => {
    const { name = '' } = container;
    const isKnown = name !== '' && seen.has(name);
    seen.add(name);
    return isKnown ? [duplicateName(container, `${at}.containers[${index}]`)] : [];
  });
}

function duplicateName({ name = '' }: RevisionContainer, at: string): FieldError {
  return { path: `${at}.name`, message: `duplicate container name "${name}"` };
}
