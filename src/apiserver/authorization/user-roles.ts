import type { PolicyRule } from '#api/generated/rbac-v1.ts';
import type { ClusterRole } from '#api/rbac-v1/cluster-role.ts';

/** The three levels of a namespace's users, each including the one after it. */
type Level = 'admin' | 'edit' | 'view';

const READ = ['get', 'list', 'watch'];
const WRITE = ['create', 'delete', 'deletecollection', 'patch', 'update'];

/**
 * `admin`, `edit` and `view`, which have no rules of their own: they gather every ClusterRole that carries their label,
 * so each part of the platform (and each add-on) says itself what its kinds mean for them.
 */
export const userRoles: readonly ClusterRole[] = [
  gathering('admin'),
  gathering('edit', 'admin'),
  gathering('view', 'edit'),
  gathered('system:aggregate-to-admin', 'admin', [
    on('authorization.k8s.io', ['localsubjectaccessreviews'], ['create']),
    on('rbac.authorization.k8s.io', ['rolebindings', 'roles'], [...READ, ...WRITE]),
  ]),
  gathered('system:aggregate-to-edit', 'edit', editRules()),
  gathered('system:aggregate-to-view', 'view', viewRules()),
  gathered('system:aggregated-metrics-reader', 'view', [
    on('metrics.k8s.io', ['nodes', 'pods'], READ),
  ]),
];

/** Reading Secrets, and becoming a service account, lets one act as it: so they begin here and are not in `view`. */
function editRules(): PolicyRule[] {
  const connections = ['pods/attach', 'pods/exec', 'pods/portforward', 'pods/proxy'];
  const workloads = ['daemonsets', 'deployments', 'replicasets', 'statefulsets'];
  return [
    on('', [...connections, 'secrets', 'services/proxy'], READ),
    on('', ['serviceaccounts'], ['impersonate']),
    on('', ['pods', ...connections], WRITE),
    on('', ['pods/eviction'], ['create']),
    on(
      '',
      [
        'configmaps',
        'events',
        'persistentvolumeclaims',
        'secrets',
        'serviceaccounts',
        'services',
        'services/proxy',
      ],
      WRITE,
    ),
    on('', ['serviceaccounts/token'], ['create']),
    on(
      'apps',
      [...workloads, 'deployments/scale', 'replicasets/scale', 'statefulsets/scale'],
      WRITE,
    ),
    on('autoscaling', ['horizontalpodautoscalers'], WRITE),
    on('batch', ['cronjobs', 'jobs'], WRITE),
    on('policy', ['poddisruptionbudgets'], WRITE),
    on('networking.k8s.io', ['ingresses', 'networkpolicies'], WRITE),
    on('coordination.k8s.io', ['leases'], [...READ, ...WRITE]),
  ];
}

function viewRules(): PolicyRule[] {
  const core = [
    'bindings',
    'configmaps',
    'endpoints',
    'events',
    'limitranges',
    'namespaces',
    'persistentvolumeclaims',
    'pods',
    'resourcequotas',
    'serviceaccounts',
    'services',
  ];
  const withStatus = ['namespaces', 'persistentvolumeclaims', 'pods', 'resourcequotas', 'services'];
  const workloads = ['daemonsets', 'deployments', 'replicasets', 'statefulsets'];
  return [
    on('', [...core, ...statusesOf(withStatus), 'pods/log'], READ),
    on('discovery.k8s.io', ['endpointslices'], READ),
    on('apps', ['controllerrevisions', ...workloads, ...statusesOf(workloads)], READ),
    on('apps', ['deployments/scale', 'replicasets/scale', 'statefulsets/scale'], READ),
    on('autoscaling', ['horizontalpodautoscalers', 'horizontalpodautoscalers/status'], READ),
    on('batch', ['cronjobs', 'cronjobs/status', 'jobs', 'jobs/status'], READ),
    on('policy', ['poddisruptionbudgets', 'poddisruptionbudgets/status'], READ),
    on('networking.k8s.io', ['ingresses', 'ingresses/status', 'networkpolicies'], READ),
  ];
}

function gathering(level: Level, partOf?: Level): ClusterRole {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: metadata(level, partOf),
    aggregationRule: { clusterRoleSelectors: [{ matchLabels: labelOf(level) }] },
  };
}

function gathered(name: string, into: Level, rules: PolicyRule[]): ClusterRole {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: metadata(name, into),
    rules,
  };
}

function metadata(name: string, partOf?: Level): ClusterRole['metadata'] {
  return {
    name,
    labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults', ...(partOf && labelOf(partOf)) },
    annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
  };
}

function labelOf(level: Level): Record<string, string> {
  return { [`rbac.authorization.k8s.io/aggregate-to-${level}`]: 'true' };
}

function on(apiGroup: string, resources: string[], verbs: string[]): PolicyRule {
  return { verbs, apiGroups: [apiGroup], resources };
}

function statusesOf(resources: readonly string[]): string[] {
  return resources.map((resource) => `${resource}/status`);
}
