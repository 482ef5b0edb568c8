import { containersErrors } from '#api/core-v1/container-errors.ts';
import { ephemeralErrors } from '#api/core-v1/ephemeral-errors.ts';
import { affinityErrors, spreadErrors, tolerationErrors } from '#api/core-v1/placement-errors.ts';
import { podSecurityErrors } from '#api/core-v1/security-errors.ts';
import { volumesErrors } from '#api/core-v1/volume-errors.ts';
import type { PodSpec, PodTemplateSpec } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { addressErrors } from '#api/meta/address-errors.ts';
import { forbiddenField, required, wrongValue } from '#api/meta/field-error.ts';
import {
  annotationKeyErrors,
  dnsLabel,
  labelErrors,
  nameErrors,
  qualifiedName,
  searchDomain,
  subdomain,
  type NameCheck,
} from '#api/meta/name-errors.ts';
import { duplicateValue, rangeErrors, unsupportedErrors } from '#api/meta/value-errors.ts';

const NAMESERVERS_MAX = 3;
const SECONDS = { first: 1, last: 2 ** 31 - 1 };

/** What is wrong with a template of pods; `at` is its path. */
export function podTemplateErrors(template: PodTemplateSpec | undefined, at: string): FieldError[] {
  const { labels, annotations } = template?.metadata ?? {};
  return [
    ...labelErrors(labels, `${at}.labels`),
    ...annotationKeyErrors(annotations, `${at}.annotations`),
    ...podSpecErrors(template?.spec, `${at}.spec`),
    ...(template?.spec?.ephemeralContainers?.length
      ? [
          forbiddenField(
            `${at}.spec.ephemeralContainers`,
            'ephemeral containers not allowed in pod template',
          ),
        ]
      : []),
  ];
}

/** What is wrong with a pod's spec, or a template's; `at` is its path. */
export function podSpecErrors(spec: PodSpec | undefined, at: string): FieldError[] {
  if (!spec) return [required(`${at}.containers`)];
  return [
    ...volumesErrors(spec.volumes ?? [], `${at}.volumes`),
    ...(spec.containers?.length
      ? [...containersErrors(spec, at), ...ephemeralErrors(spec, at)]
      : [required(`${at}.containers`)]),
    ...hostNetworkErrors(spec, at),
    ...unsupportedErrors(`${at}.restartPolicy`, spec.restartPolicy, [
      'Always',
      'OnFailure',
      'Never',
    ]),
    ...dnsErrors(spec, at),
    ...labelErrors(spec.nodeSelector, `${at}.nodeSelector`),
    ...podSecurityErrors(spec, at),
    ...affinityErrors(spec.affinity, `${at}.affinity`),
    ...resolverErrors(spec.dnsConfig, `${at}.dnsConfig`),
    ...(spec.readinessGates ?? []).flatMap(({ conditionType }, index) =>
      nameErrors(qualifiedName, `${at}.readinessGates[${index}].conditionType`, conditionType),
    ),
    ...gateErrors(spec.schedulingGates ?? [], `${at}.schedulingGates`),
    ...spreadErrors(spec, `${at}.topologySpreadConstraints`),
    ...namesErrors(spec, at),
    ...rangeErrors(`${at}.activeDeadlineSeconds`, spec.activeDeadlineSeconds, SECONDS),
    ...tolerationErrors(spec.tolerations ?? [], `${at}.tolerations`),
    ...hostAliasErrors(spec.hostAliases ?? [], `${at}.hostAliases`),
    ...unsupportedErrors(`${at}.preemptionPolicy`, spec.preemptionPolicy, [
      'Never',
      'PreemptLowerPriority',
    ]),
    ...unsupportedErrors(`${at}.os`, spec.os?.name, ['linux', 'windows']),
  ];
}

/** On the node's own network a container has the node's ports and no others. */
function hostNetworkErrors(spec: PodSpec, at: string): FieldError[] {
  if (!spec.hostNetwork) return [];
  return (spec.containers ?? []).flatMap(({ ports = [] }, container) =>
    ports.flatMap(({ hostPort, containerPort }, index) => {
      if (!hostPort || hostPort === containerPort) return [];
      const path = `${at}.containers[${container}].ports[${index}].hostPort`;
      const why = 'must match `containerPort` when `hostNetwork` is true';
      return [wrongValue(path, hostPort, why)];
    }),
  );
}

function dnsErrors({ dnsPolicy, dnsConfig }: PodSpec, at: string): FieldError[] {
  const policies = ['ClusterFirstWithHostNet', 'ClusterFirst', 'Default', 'None'];
  const errors = unsupportedErrors(`${at}.dnsPolicy`, dnsPolicy, policies);
  if (dnsPolicy !== 'None') return errors;
  if (!dnsConfig) {
    const why = 'must provide `dnsConfig` when `dnsPolicy` is None';
    errors.push(required(`${at}.dnsConfig`, why));
  } else if (!dnsConfig.nameservers?.length) {
    const why = 'must provide at least one DNS nameserver when `dnsPolicy` is None';
    errors.push(required(`${at}.dnsConfig.nameservers`, why));
  }
  return errors;
}

function resolverErrors(config: PodSpec['dnsConfig'], at: string): FieldError[] {
  const { nameservers = [], searches = [], options = [] } = config ?? {};
  const path = `${at}.nameservers`;
  return [
    ...(nameservers.length > NAMESERVERS_MAX
      ? [wrongValue(path, nameservers, 'must not have more than 3 nameservers')]
      : []),
    ...nameservers.flatMap((server, index) => addressErrors(`${path}[${index}]`, server)),
    ...searches.flatMap((search, index) =>
      nameErrors(searchDomain, `${at}.searches[${index}]`, search.replace(/(.)\.$/, '$1')),
    ),
    ...options.flatMap(({ name }, index) =>
      name ? [] : [required(`${at}.options[${index}]`, 'must not be empty')],
    ),
  ];
}

function gateErrors(gates: readonly { readonly name: string }[], at: string): FieldError[] {
  const names = gates.map(({ name }) => name);
  return names.flatMap((name, index) => {
    const path = `${at}[${index}]`;
    const errors = nameErrors(qualifiedName, path, name);
    return names.indexOf(name) < index ? [...errors, duplicateValue(path, name)] : errors;
  });
}

function namesErrors(spec: PodSpec, at: string): FieldError[] {
  const checks: readonly (readonly [string, string | undefined, NameCheck])[] = [
    ['serviceAccountName', spec.serviceAccountName, subdomain],
    ['nodeName', spec.nodeName, subdomain],
    ['hostname', spec.hostname, dnsLabel],
    ['subdomain', spec.subdomain, dnsLabel],
    ['priorityClassName', spec.priorityClassName, subdomain],
    ['runtimeClassName', spec.runtimeClassName, subdomain],
  ];
  return checks.flatMap(([field, value, check]) =>
    value ? nameErrors(check, `${at}.${field}`, value) : [],
  );
}

function hostAliasErrors(aliases: NonNullable<PodSpec['hostAliases']>, at: string): FieldError[] {
  return aliases.flatMap(({ ip, hostnames = [] }, index) => [
    ...addressErrors(`${at}[${index}].ip`, ip),
    ...hostnames.flatMap((name, place) =>
      nameErrors(subdomain, `${at}[${index}].hostnames[${place}]`, name),
    ),
  ]);
}
