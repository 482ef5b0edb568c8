import type { PolicyRule } from '#api/generated/rbac-v1.ts';
import type { ClusterRole } from '#api/rbac-v1/cluster-role.ts';
import { servingKinds } from '#api/kinds.ts';

const READ = ['get', 'list', 'watch'];
const WRITE = ['create', 'update', 'patch', 'delete'];
const SERVING = 'serving.knative.dev';
const INTERNAL = [
  'networking.internal.knative.dev',
  'autoscaling.internal.knative.dev',
  'caching.internal.knative.dev',
];
const CONTROLLER = { 'serving.knative.dev/controller': 'true' };
const ADDRESSABLE = { 'duck.knative.dev/addressable': 'true' };
const PODSPECABLE = { 'duck.knative.dev/podspecable': 'true' };

/**
 * Knative Serving's own ClusterRoles under its names (serving specification §1.10): what its kinds mean to the three
 * levels of a namespace's users, what a controller of them may do, and what finds by label who has an address or a pod.
 */
export const servingRoles: readonly ClusterRole[] = [
  gathering('knative-serving-admin', CONTROLLER),
  gathered('knative-serving-core', CONTROLLER, coreRules()),
  gathered('knative-serving-namespaced-admin', levelLabel('admin'), [
    on([SERVING], ['*'], ['*']),
    on(INTERNAL, ['*'], READ),
  ]),
  gathered('knative-serving-namespaced-edit', levelLabel('edit'), [
    on([SERVING], ['*'], WRITE),
    on(INTERNAL, ['*'], READ),
  ]),
  gathered('knative-serving-namespaced-view', levelLabel('view'), [
    on([SERVING, ...INTERNAL], ['*'], READ),
  ]),
  gathering('knative-serving-aggregated-addressable-resolver', ADDRESSABLE),
  gathered('knative-serving-addressable-resolver', ADDRESSABLE, [
    on([SERVING], ['routes', 'routes/status', 'services', 'services/status'], READ),
  ]),
  gathered('knative-serving-podspecable-binding', PODSPECABLE, [
    on([SERVING], ['configurations', 'services'], ['list', 'watch', 'patch']),
  ]),
];

/** What a controller of Serving may do in the whole cluster; upstream's parts of cert-manager are not among it. */
function coreRules(): PolicyRule[] {
  const all = [...READ, ...WRITE];
  const parts = servingKinds
    .filter(({ group }) => group !== 'caching.internal.knative.dev')
    .flatMap(({ plural }) => [plural, `${plural}/status`, `${plural}/finalizers`]);
  const core = ['pods', 'namespaces', 'secrets', 'configmaps', 'endpoints', 'services', 'events'];
  const webhooks = ['mutatingwebhookconfigurations', 'validatingwebhookconfigurations'];
  const definitions = ['customresourcedefinitions', 'customresourcedefinitions/status'];
  return [
    on([''], [...core, 'serviceaccounts'], all),
    on([''], ['endpoints/restricted'], ['create']),
    on(['discovery.k8s.io'], ['endpointslices/restricted'], ['create']),
    on([''], ['namespaces/finalizers'], ['update']),
    on(['discovery.k8s.io'], ['endpointslices'], all),
    on(['apps'], ['deployments', 'deployments/finalizers'], all),
    on(['admissionregistration.k8s.io'], webhooks, all),
    on(['apiextensions.k8s.io'], definitions, all),
    on(['autoscaling'], ['horizontalpodautoscalers'], all),
    on(['coordination.k8s.io'], ['leases'], all),
    on(
      [SERVING, 'autoscaling.internal.knative.dev', 'networking.internal.knative.dev'],
      [...new Set(parts)],
      [...all, 'deletecollection'],
    ),
    on(['caching.internal.knative.dev'], ['images'], all),
    on(['*'], ['*/scale'], ['patch']),
  ];
}

function levelLabel(level: 'admin' | 'edit' | 'view'): Record<string, string> {
  return { [`rbac.authorization.k8s.io/aggregate-to-${level}`]: 'true' };
}

function gathering(name: string, matchLabels: Record<string, string>): ClusterRole {
  return { ...named(name), aggregationRule: { clusterRoleSelectors: [{ matchLabels }] } };
}

function gathered(name: string, labels: Record<string, string>, rules: PolicyRule[]): ClusterRole {
  return { ...named(name, labels), rules };
}

function named(name: string, labels: Record<string, string> = {}): ClusterRole {
  return {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'ClusterRole',
    metadata: { name, labels: { 'app.kubernetes.io/name': 'knative-serving', ...labels } },
  };
}

function on(apiGroups: string[], resources: string[], verbs: string[]): PolicyRule {
  return { verbs, apiGroups, resources };
}
