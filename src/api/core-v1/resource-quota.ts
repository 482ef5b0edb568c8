import type {
  ResourceQuota as Generated,
  ResourceQuotaSpec,
  ScopedResourceSelectorRequirement,
} from '#api/generated/core-v1.ts';
import { defineCoreKind, type FieldError } from '#api/kind.ts';
import { immutableErrors, required, wrongValue } from '#api/meta/field-error.ts';
import { isQuantity, parseQuantity } from '#api/meta/quantity.ts';

const QUOTA_SCOPES = ['Terminating', 'NotTerminating', 'BestEffort', 'NotBestEffort'] as const;

const SCOPE_NAMES: readonly string[] = [
  ...QUOTA_SCOPES,
  'CrossNamespacePodAffinity',
  'PriorityClass',
  'VolumeAttributesClass',
];

/** Besides these, anything with a domain of its own: `count/jobs.batch`, `requests.nvidia.com/gpu`. */
const STANDARD: ReadonlySet<string> = new Set([
  'cpu',
  'memory',
  'ephemeral-storage',
  'requests.cpu',
  'requests.memory',
  'requests.storage',
  'requests.ephemeral-storage',
  'limits.cpu',
  'limits.memory',
  'limits.ephemeral-storage',
  'pods',
  'services',
  'services.nodeports',
  'services.loadbalancers',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
]);
const NANO = 1_000_000_000n;

export type ResourceQuota = Generated;
export const ResourceQuota = defineCoreKind<ResourceQuota>({
  group: '',
  version: 'v1',
  kind: 'ResourceQuota',
  plural: 'resourcequotas',
  scope: 'Namespaced',
  definition: 'io.k8s.api.core.v1.ResourceQuota',
  shortNames: ['quota'],
  subresources: ['status'],
  validate({ spec = {} }, { previous }) {
    const isKnown = (spec.scopes ?? []).every((scope) =>
      QUOTA_SCOPES.some((known) => known === scope),
    );
    return [
      ...Object.entries(spec.hard ?? {}).flatMap(([name, amount]) => hardErrors(name, amount)),
      ...(isKnown ? [] : [wrongValue('spec.scopes', spec.scopes, 'unsupported scope')]),
      ...(isKnown ? scopeErrors(spec) : []),
      ...(spec.scopeSelector?.matchExpressions ?? []).flatMap(selectorErrors),
      ...(previous ? immutableErrors('spec.scopes', spec.scopes, previous.spec?.scopes) : []),
    ];
  },
});

const COMPUTE = /^(?:requests\.|limits\.)?(?:cpu|memory)$/;

/** Pods are of one side or the other, and only what pods take is counted by it. */
function scopeErrors({ scopes = [], hard = {} }: ResourceQuotaSpec): FieldError[] {
  const path = 'spec.scopes';
  const foreign = 'unsupported scope applied to resource';
  const isCounted = (scope: string, name: string): boolean =>
    name === 'pods' || !STANDARD.has(name) || (scope !== 'BestEffort' && COMPUTE.test(name));
  const isConflict = ['BestEffort', 'Terminating'].filter(
    (scope) => scopes.includes(scope) && scopes.includes(`Not${scope}`),
  );
  return [
    ...scopes.flatMap((scope) =>
      Object.keys(hard)
        .filter((name) => !isCounted(scope, name))
        .map(() => wrongValue(path, scopes, foreign)),
    ),
    ...isConflict.map(() => wrongValue(path, scopes, 'conflicting scopes')),
  ];
}

function selectorErrors(requirement: ScopedResourceSelectorRequirement): FieldError[] {
  const at = 'spec.scopeSelector.matchExpressions';
  const { scopeName, operator, values = [] } = requirement;
  const isSet = operator === 'In' || operator === 'NotIn';
  const some = "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
  const none = "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
  const exists =
    "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
  const isNamed = scopeName === 'PriorityClass' || scopeName === 'VolumeAttributesClass';
  return [
    ...(SCOPE_NAMES.includes(scopeName)
      ? []
      : [wrongValue(`${at}.scopeName`, scopeName, 'unsupported scope')]),
    ...(SCOPE_NAMES.includes(scopeName) && !isNamed && operator !== 'Exists'
      ? [wrongValue(`${at}.operator`, operator, exists)]
      : []),
    ...(isSet && values.length === 0 ? [required(`${at}.values`, some)] : []),
    ...(!isSet && values.length > 0 ? [wrongValue(`${at}.values`, values, none)] : []),
  ];
}

function hardErrors(name: string, amount: string | number): FieldError[] {
  const path = `spec.hard[${name}]`;
  const shown = String(amount);
  const errors: FieldError[] = [];
  if (!STANDARD.has(name) && !name.includes('/')) {
    errors.push(wrongValue(path, name, 'must be a standard resource type or fully qualified'));
    errors.push(wrongValue(path, name, 'must be a standard resource for quota'));
  }
  // A text that is no amount at all was refused with its type.
  if (!isQuantity(amount)) return errors;
  const { nano } = parseQuantity(amount);
  if (nano < 0n) errors.push(wrongValue(path, shown, 'must be greater than or equal to 0'));
  const isCounted = !/cpu|memory|storage/.test(name) && nano % NANO !== 0n;
  if (isCounted) errors.push(wrongValue(path, shown, 'must be an integer'));
  return errors;
}
