import type { PodSecurityContext, SecurityContext } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import {
  boundErrors,
  disallowed,
  disallowedFields,
  invalidValue,
  isThere,
} from '#api/meta/knative-error.ts';
import type { ServingSettings } from '#api/serving-config/config-maps.ts';
import type { RevisionSpec } from '#api/serving-v1/revision-template.ts';

const IDS = { low: 0, high: 2 ** 31 - 1 };

const CONTAINER_FIELDS = [
  'capabilities',
  'readOnlyRootFilesystem',
  'runAsUser',
  'runAsGroup',
  'runAsNonRoot',
  'allowPrivilegeEscalation',
  'seccompProfile',
];
const POD_FIELDS = [
  'runAsUser',
  'runAsGroup',
  'runAsNonRoot',
  'fsGroup',
  'supplementalGroups',
  'seccompProfile',
];

/** What is wrong with the rights of a container (serving specification §2.5). */
export function containerSecurityErrors(
  context: SecurityContext | undefined,
  at: string,
  { features }: ServingSettings,
): FieldError[] {
  if (!context) return [];
  const added = context.capabilities?.add ?? [];
  const isBindOnly = added.length === 1 && added[0] === 'NET_BIND_SERVICE';
  const mayAdd =
    added.length === 0 ||
    features.addCapabilities === 'Enabled' ||
    (features.securePodDefaults !== 'Disabled' && isBindOnly);
  const unprivileged = context.privileged ? [] : ['privileged'];
  return [
    ...disallowedFields(context, [...CONTAINER_FIELDS, ...unprivileged], at, isThere),
    ...(mayAdd ? [] : [disallowed(`${at}.capabilities.add`)]),
    ...boundErrors(context.runAsUser, IDS, `${at}.runAsUser`),
    ...boundErrors(context.runAsGroup, IDS, `${at}.runAsGroup`),
  ];
}

/** What is wrong with those of the whole pod, which are there only where their feature is. */
export function podSecurityErrors(
  context: PodSecurityContext | undefined,
  at: string,
  { features }: ServingSettings,
): FieldError[] {
  if (!context) return [];
  const isClosed = features.securityContext === 'Disabled';
  // Who does not want the secure defaults may still say so.
  const isSafe =
    features.securePodDefaults !== 'Disabled' &&
    ['RuntimeDefault', 'Unconfined'].includes(context.seccompProfile?.type ?? '');
  const closed = isSafe ? ['seccompProfile'] : [];
  return [
    ...(isClosed && features.securePodDefaults === 'Disabled' ? [disallowed(at)] : []),
    ...disallowedFields(context, isClosed ? closed : POD_FIELDS, at, isThere),
    ...boundErrors(context.runAsUser, IDS, `${at}.runAsUser`),
    ...boundErrors(context.runAsGroup, IDS, `${at}.runAsGroup`),
    ...boundErrors(context.fsGroup, IDS, `${at}.fsGroup`),
    ...(context.supplementalGroups ?? []).flatMap((group, index) =>
      boundErrors(group, IDS, `${at}.supplementalGroups[${index}]`),
    ),
  ];
}

const INSECURE =
  'Kubernetes default value is insecure, Knative may default this to secure in a future release';

/** What is taken, and leaves containers more rights than they may need; nothing where secure defaults are on. */
export function insecureDefaults(
  { securityContext: pod = {}, containers = [], initContainers = [] }: RevisionSpec,
  at: string,
  { features }: ServingSettings,
): FieldError[] {
  if (features.securePodDefaults !== 'Disabled') return [];
  return Object.entries({ initContainers, containers }).flatMap(([list, each]) =>
    each.flatMap(({ securityContext = {} }, index) =>
      containerDefaults(securityContext, pod, `${at}.${list}[${index}].securityContext`),
    ),
  );
}

function containerDefaults(
  context: SecurityContext,
  pod: PodSecurityContext,
  at: string,
): FieldError[] {
  const unsaid: string[] = [];
  if ((context.runAsNonRoot ?? pod.runAsNonRoot) === undefined) unsaid.push('runAsNonRoot');
  if (context.allowPrivilegeEscalation === undefined) unsaid.push('allowPrivilegeEscalation');
  const seccomp = context.seccompProfile ?? pod.seccompProfile;
  if (!seccomp) unsaid.push('seccompProfile');
  else if (!seccomp.type) unsaid.push('seccompProfile.type');
  if (!context.capabilities) unsaid.push('capabilities');
  else if (!context.capabilities.drop) unsaid.push('capabilities.drop');
  const misspelled = (context.capabilities?.drop ?? [])
    .slice(0, 1)
    .filter((name) => name === 'all');
  return [
    ...unsaid.map((name) => ({ path: `${at}.${name}`, message: INSECURE })),
    ...misspelled.map((name) =>
      invalidValue(name, `${at}.capabilities.drop`, "Must be spelled as 'ALL'"),
    ),
  ];
}
