import { isDeepStrictEqual } from 'node:util';
import { notActedOn } from '#api/core-v1/not-acted-on.ts';
import { portWarnings } from '#api/core-v1/port-warnings.ts';
import { volumeWarnings } from '#api/core-v1/volume-warnings.ts';
import type {
  Container,
  EnvVar,
  PodAffinityTerm,
  PodSpec,
  ResourceRequirements,
} from '#api/generated/core-v1.ts';
import { dnsLabel } from '#api/meta/name-errors.ts';
import type { ObjectMeta } from '#api/meta/object-meta.ts';
import { parseQuantity } from '#api/meta/quantity.ts';

const ANNOTATIONS: Readonly<Record<string, string>> = {
  'scheduler.alpha.kubernetes.io/critical-pod':
    'non-functional in v1.16+; use the "priorityClassName" field instead',
  'security.alpha.kubernetes.io/sysctls':
    'non-functional in v1.11+; use the "sysctls" field instead',
  'security.alpha.kubernetes.io/unsafe-sysctls':
    'non-functional in v1.11+; use the "sysctls" field instead',
};
const SECCOMP = 'seccomp.security.alpha.kubernetes.io/pod';
const CONTAINER_SECCOMP = 'container.seccomp.security.alpha.kubernetes.io/';
const SECCOMP_TEXT = 'non-functional in v1.27+; use the "seccompProfile" field instead';

const NODE_LABELS: Readonly<Record<string, string>> = {
  'beta.kubernetes.io/arch': 'deprecated since v1.14; use "kubernetes.io/arch" instead',
  'beta.kubernetes.io/os': 'deprecated since v1.14; use "kubernetes.io/os" instead',
  'failure-domain.beta.kubernetes.io/region':
    'deprecated since v1.17; use "topology.kubernetes.io/region" instead',
  'failure-domain.beta.kubernetes.io/zone':
    'deprecated since v1.17; use "topology.kubernetes.io/zone" instead',
  'beta.kubernetes.io/instance-type':
    'deprecated since v1.17; use "node.kubernetes.io/instance-type" instead',
  'app.kubernetes.io/created-by': 'deprecated since v1.9',
  'scheduler.alpha.kubernetes.io/preferAvoidPods':
    'deprecated since v1.22; use Taints and Tolerations instead',
  'node-role.kubernetes.io/master': 'use "node-role.kubernetes.io/control-plane" instead',
};

interface Template {
  readonly metadata?: ObjectMeta;
  readonly spec?: PodSpec;
}

/** What of a pod, or of a template at `path` (with a dot at its end), does not do what its author may think. */
export function podWarnings({ metadata = {}, spec }: Template, path = ''): string[] {
  if (!spec) return [];
  const { annotations = {} } = metadata;
  const at = `${path}spec`;
  const containers = [
    ...entriesOf(spec.initContainers, `${at}.initContainers`),
    ...entriesOf(spec.containers, `${at}.containers`),
    ...entriesOf(spec.ephemeralContainers, `${at}.ephemeralContainers`),
  ];
  const annotated = (key: string, text: string): string[] =>
    Object.hasOwn(annotations, key) ? [`${path}metadata.annotations[${key}]: ${text}`] : [];
  return [
    ...placementWarnings(spec, at),
    ...Object.entries(ANNOTATIONS).flatMap(([key, text]) => annotated(key, text)),
    ...volumeWarnings(spec.volumes ?? [], `${at}.volumes`),
    ...repeated(spec.hostAliases ?? [], `${at}.hostAliases`, 'ip'),
    ...repeated(spec.imagePullSecrets ?? [], `${at}.imagePullSecrets`, 'name'),
    ...fractionWarnings(spec.overhead, `${at}.overhead`),
    ...(spec.securityContext?.seccompProfile ? [] : annotated(SECCOMP, SECCOMP_TEXT)),
    ...containers.flatMap(([where, container]) => [
      ...(container.securityContext?.seccompProfile
        ? []
        : annotated(`${CONTAINER_SECCOMP}${container.name}`, SECCOMP_TEXT)),
      ...resourceWarnings(container.resources ?? {}, `${where}.resources`),
      ...environmentWarnings(container.env ?? [], `${where}.env`),
    ]),
    ...portWarnings(containers),
    ...((spec.terminationGracePeriodSeconds ?? 0) < 0
      ? [
          `${at}.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1`,
        ]
      : []),
    ...affinityWarnings(spec.affinity ?? {}, `${at}.affinity`),
    ...notActedOn(spec, containers, at),
  ];
}

/** The same of a template at `path`, where it is another than before. */
export function templateWarnings(
  template: Template | undefined,
  previous: Template | undefined,
  path: string,
): string[] {
  return template && !isDeepStrictEqual(template, previous)
    ? podWarnings(template, `${path}.`)
    : [];
}

/** Of an object whose pods have its name in theirs; `of` is how Kubernetes calls what the name is used in. */
export function nameWarnings({ name = '' }: ObjectMeta, of = 'Pod names and hostnames'): string[] {
  const problems = dnsLabel(name);
  if (name === '' || problems.length === 0) return [];
  return [
    `metadata.name: this is used in ${of}, which can result in surprising behavior; a DNS label is recommended: [${problems.join(' ')}]`,
  ];
}

function entriesOf(
  containers: readonly Container[] | undefined,
  path: string,
): (readonly [string, Container])[] {
  return (containers ?? []).map((container, index) => [`${path}[${index}]`, container]);
}

function placementWarnings(
  { nodeSelector = {}, affinity, topologySpreadConstraints = [] }: PodSpec,
  at: string,
): string[] {
  const { requiredDuringSchedulingIgnoredDuringExecution: required } = affinity?.nodeAffinity ?? {};
  const preferred = affinity?.nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  const node = `${at}.affinity.nodeAffinity`;
  const terms = [
    ...(required?.nodeSelectorTerms ?? []).map((term, index) => ({
      term,
      where: `${node}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[${index}]`,
    })),
    ...preferred.map(({ preference: term }, index) => ({
      term,
      where: `${node}.preferredDuringSchedulingIgnoredDuringExecution[${index}].preference`,
    })),
  ];
  const old = (key: string, where: string): string[] =>
    Object.hasOwn(NODE_LABELS, key) ? [`${where}: ${key} is ${NODE_LABELS[key]}`] : [];
  return [
    ...Object.keys(nodeSelector)
      .filter((key) => Object.hasOwn(NODE_LABELS, key))
      .map((key) => `${at}.nodeSelector[${key}]: ${NODE_LABELS[key]}`),
    ...terms.flatMap(({ term, where }) =>
      (term.matchExpressions ?? []).flatMap(({ key }, index) =>
        old(key, `${where}.matchExpressions[${index}].key`),
      ),
    ),
    ...topologySpreadConstraints.flatMap(({ topologyKey, labelSelector }, index) => {
      const where = `${at}.topologySpreadConstraints[${index}]`;
      return [...old(topologyKey, `${where}.topologyKey`), ...noSelector(labelSelector, where)];
    }),
  ];
}

function affinityWarnings(
  { podAffinity, podAntiAffinity }: PodSpec['affinity'] & {},
  at: string,
): string[] {
  const both = { podAffinity, podAntiAffinity };
  return Object.entries(both).flatMap(([name, affinity]) => {
    const required = 'requiredDuringSchedulingIgnoredDuringExecution';
    const preferred = 'preferredDuringSchedulingIgnoredDuringExecution';
    const of = (term: PodAffinityTerm, where: string): string[] =>
      noSelector(term.labelSelector, `${at}.${name}.${where}`);
    return [
      ...(affinity?.[required] ?? []).flatMap((term, index) => of(term, `${required}[${index}]`)),
      ...(affinity?.[preferred] ?? []).flatMap(({ podAffinityTerm }, index) =>
        of(podAffinityTerm, `${preferred}[${index}].podAffinityTerm`),
      ),
    ];
  });
}

function noSelector(selector: object | undefined, where: string): string[] {
  return selector
    ? []
    : [`${where}.labelSelector: a null labelSelector results in matching no pod`];
}

function repeated<F extends string>(
  items: readonly { readonly [field in F]?: string }[],
  path: string,
  field: F,
): string[] {
  const values = items.map((item) => item[field] ?? '');
  const twice = values.flatMap((value, index) =>
    values.indexOf(value) < index
      ? [`${path}[${index}].${field}: duplicate ${field} ${JSON.stringify(value)}`]
      : [],
  );
  const empty = values.flatMap((value, index) =>
    value === '' && field === 'name' ? [`${path}[${index}].name: invalid empty name ""`] : [],
  );
  return [...twice, ...empty];
}

function resourceWarnings({ limits, requests }: ResourceRequirements, path: string): string[] {
  return ['memory', 'ephemeral-storage'].flatMap((name) => [
    ...fractionWarnings(limits, `${path}.limits`, name),
    ...fractionWarnings(requests, `${path}.requests`, name),
  ]);
}

const WHOLE = 1_000_000_000n;

function fractionWarnings(
  amounts: Readonly<Record<string, string | number>> = {},
  path: string,
  ...names: readonly string[]
): string[] {
  const asked = names.length > 0 ? names : ['memory', 'ephemeral-storage'];
  return asked.flatMap((name) => {
    const amount = amounts[name];
    if (amount === undefined || parseQuantity(amount).nano % WHOLE === 0n) return [];
    return [
      `${path}[${name}]: fractional byte value ${JSON.stringify(String(amount))} is invalid, must be an integer`,
    ];
  });
}

/** A variable that is set twice; one that only adds to what was before is meant. */
function environmentWarnings(env: readonly EnvVar[], path: string): string[] {
  const names = env.map(({ name }) => name);
  return env.flatMap(({ name, value = '', valueFrom }, index) => {
    if (names.indexOf(name) === index) return [];
    const before = `$(${name})`;
    const adds = !valueFrom && value !== before && value.includes(before);
    if (adds) return [];
    return [
      `${path}[${index}]: hides previous definition of ${JSON.stringify(name)}, which may be dropped when using apply`,
    ];
  });
}
