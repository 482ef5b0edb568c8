import type { Pod } from '#api/core-v1/pod.ts';
import { podAmounts, sum, type Amounts } from '#api/core-v1/pod-requests.ts';
import { qosClassOf } from '#api/core-v1/qos-class.ts';
import type { PersistentVolumeClaim } from '#api/core-v1/persistent-volume-claim.ts';
import type { ResourceQuota } from '#api/core-v1/resource-quota.ts';
import { hasNodePorts, type Service } from '#api/core-v1/service.ts';
import { resourceOf, type Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { parseQuantity, type Quantity } from '#api/meta/quantity.ts';

const ONE = parseQuantity(1);
const COMPUTE = ['cpu', 'memory', 'ephemeral-storage'];
/** Kinds that have a name of their own beside `count/…`. */
const NAMED: ReadonlySet<string> = new Set([
  'pods',
  'services',
  'replicationcontrollers',
  'resourcequotas',
  'secrets',
  'configmaps',
  'persistentvolumeclaims',
]);

/** What one object takes of the quotas of its namespace, by Kubernetes' names for it. */
export function quotaUsage(kind: Kind, object: KubeObject): Amounts {
  const resource = resourceOf(kind);
  const counted: Amounts = new Map([[`count/${resource}`, ONE]]);
  // The kind says whose fields these are.
  if (resource === 'pods') return sum(counted, podUsage(object as Pod));
  const named = NAMED.has(resource) ? sum(counted, new Map([[resource, ONE]])) : counted;
  if (resource === 'services') return sum(named, serviceUsage(object as Service));
  if (resource === 'persistentvolumeclaims') {
    return sum(named, claimUsage(object as PersistentVolumeClaim));
  }
  return named;
}

/** Whether the quota is about this object at all: one with scopes only counts pods that are in all of them. */
export function isInScope({ spec }: ResourceQuota, kind: Kind, object: KubeObject): boolean {
  const requirements = [
    ...(spec?.scopes ?? []).map((scopeName) => ({ scopeName, operator: 'Exists', values: [] })),
    ...(spec?.scopeSelector?.matchExpressions ?? []),
  ];
  if (requirements.length === 0) return true;
  if (resourceOf(kind) !== 'pods') return false;
  const pod = object as Pod;
  return requirements.every(({ scopeName, operator, values = [] }) => {
    if (scopeName !== 'PriorityClass') return hasScope(pod, scopeName);
    const name = pod.spec?.priorityClassName;
    if (operator === 'Exists') return Boolean(name);
    if (operator === 'DoesNotExist') return !name;
    return values.includes(name ?? '') === (operator === 'In');
  });
}

/** Only what the quota limits. */
export function limitedBy({ spec }: ResourceQuota, usage: Amounts): Amounts {
  const hard = spec?.hard ?? {};
  return new Map([...usage].filter(([name]) => Object.hasOwn(hard, name)));
}

/** Of a quota on compute resources: what containers leave unsaid, `cpu for: a,b`; nothing may be had for nothing. */
export function unsaidRequests({ spec: quota }: ResourceQuota, pod: Pod): string[] {
  const containers = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])];
  return Object.keys(quota?.hard ?? {})
    .toSorted()
    .flatMap((name) => {
      const part = name.startsWith('limits.') ? 'limits' : 'requests';
      const resource = name.replace(/^(?:limits|requests)\./, '');
      if (!COMPUTE.includes(resource)) return [];
      const silent = containers.filter(
        ({ resources }) => resources?.[part]?.[resource] === undefined,
      );
      const names = silent.map((container) => container.name).join(',');
      return silent.length === 0 ? [] : [`${name} for: ${names}`];
    });
}

function hasScope({ spec }: Pod, scope: string): boolean {
  const isTerminating = spec?.activeDeadlineSeconds !== undefined;
  const isBestEffort = spec !== undefined && qosClassOf(spec) === 'BestEffort';
  switch (scope) {
    case 'Terminating':
      return isTerminating;
    case 'NotTerminating':
      return !isTerminating;
    case 'BestEffort':
      return isBestEffort;
    case 'NotBestEffort':
      return !isBestEffort;
    default:
      return false;
  }
}

/** One that has ended is still an object, but takes nothing any more. */
function podUsage({ spec, status }: Pod): Amounts {
  const hasEnded = status?.phase === 'Succeeded' || status?.phase === 'Failed';
  if (hasEnded || !spec) return new Map();
  const usage = new Map<string, Quantity>([['pods', ONE]]);
  for (const [name, amount] of podAmounts(spec, 'requests')) {
    if (!COMPUTE.includes(name)) continue;
    usage.set(name, amount);
    usage.set(`requests.${name}`, amount);
  }
  for (const [name, amount] of podAmounts(spec, 'limits')) {
    if (COMPUTE.includes(name)) usage.set(`limits.${name}`, amount);
  }
  return usage;
}

function serviceUsage(service: Service): Amounts {
  const { spec } = service;
  const usage = new Map<string, Quantity>();
  const takesNodePorts = spec?.type === 'NodePort' || spec?.allocateLoadBalancerNodePorts !== false;
  if (hasNodePorts(service) && takesNodePorts) {
    usage.set('services.nodeports', parseQuantity(spec?.ports?.length ?? 0));
  }
  if (spec?.type === 'LoadBalancer') usage.set('services.loadbalancers', ONE);
  return usage;
}

function claimUsage({ spec }: PersistentVolumeClaim): Amounts {
  const storage = parseQuantity(spec?.resources?.requests?.['storage'] ?? 0);
  const usage = new Map<string, Quantity>([['requests.storage', storage]]);
  const { storageClassName } = spec ?? {};
  if (storageClassName) {
    const suffix = `${storageClassName}.storageclass.storage.k8s.io`;
    usage.set(`${suffix}/requests.storage`, storage);
    usage.set(`${suffix}/persistentvolumeclaims`, ONE);
  }
  return usage;
}
