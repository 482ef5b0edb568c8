import type { PolicyRule, Subject } from '#api/generated/rbac-v1.ts';
import type { ClusterRoleBinding } from '#api/rbac-v1/cluster-role-binding.ts';
import type { ClusterRole } from '#api/rbac-v1/cluster-role.ts';
import { CONFIG_NAMESPACE } from '#api/serving-config/config-maps.ts';
import { userRoles } from '#apiserver/authorization/user-roles.ts';
import type { RbacObject } from '#apiserver/authorization/rbac-objects.ts';
import { servingRoles } from '#apiserver/authorization/serving-roles.ts';

const API_VERSION = 'rbac.authorization.k8s.io/v1';

/** The gateway's user: the CN of its client certificate. */
export const GATEWAY_USER = 'system:knode:gateway';

/**
 * The roles and bindings a cluster has from its first start, those of Kubernetes' own that matter here and the platform's;
 * applied at every start, so that a lost rule comes back. Source of the rules: Kubernetes' documented default roles.
 */
export function bootstrapRbac(): readonly RbacObject[] {
  return [...userRoles, ...servingRoles, ...systemRoles, ...bindings, ...gatewaySettings];
}

const read = ['get', 'list', 'watch'];

const systemRoles: readonly ClusterRole[] = [
  clusterRole('cluster-admin', [
    { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
    { verbs: ['*'], nonResourceURLs: ['*'] },
  ]),
  clusterRole('system:basic-user', [
    rule('create', 'authorization.k8s.io', ['selfsubjectaccessreviews', 'selfsubjectrulesreviews']),
    rule('create', 'authentication.k8s.io', ['selfsubjectreviews']),
  ]),
  clusterRole('system:discovery', [
    paths([
      '/api',
      '/api/*',
      '/apis',
      '/apis/*',
      '/healthz',
      '/livez',
      '/openapi',
      '/openapi/*',
      '/readyz',
      '/version',
      '/version/',
    ]),
  ]),
  clusterRole('system:public-info-viewer', [
    paths(['/healthz', '/livez', '/readyz', '/version', '/version/']),
  ]),
  clusterRole('system:service-account-issuer-discovery', [
    paths([
      '/.well-known/openid-configuration',
      '/.well-known/openid-configuration/',
      '/openid/v1/jwks',
      '/openid/v1/jwks/',
    ]),
  ]),
  clusterRole('system:auth-delegator', [
    rule('create', 'authentication.k8s.io', ['tokenreviews']),
    rule('create', 'authorization.k8s.io', ['subjectaccessreviews']),
  ]),
  // Reads what a route or a name is made of, and reports that an Ingress is served; nothing else, and of Secrets what serving-secrets.ts says.
  clusterRole(GATEWAY_USER, [
    { verbs: read, apiGroups: [''], resources: ['services', 'endpoints', 'namespaces', 'pods'] },
    { verbs: read, apiGroups: ['discovery.k8s.io'], resources: ['endpointslices'] },
    { verbs: read, apiGroups: ['networking.internal.knative.dev'], resources: ['ingresses'] },
    { verbs: read, apiGroups: ['serving.knative.dev'], resources: ['revisions'] },
    {
      verbs: ['get', 'patch', 'update'],
      apiGroups: ['networking.internal.knative.dev'],
      resources: ['ingresses/status'],
    },
  ]),
];

const bindings: readonly ClusterRoleBinding[] = [
  bind('cluster-admin', group('system:masters')),
  bind('system:basic-user', group('system:authenticated')),
  bind('system:discovery', group('system:authenticated')),
  bind('system:public-info-viewer', group('system:authenticated'), group('system:unauthenticated')),
  bind('system:service-account-issuer-discovery', group('system:serviceaccounts')),
  bind(GATEWAY_USER, {
    apiGroup: 'rbac.authorization.k8s.io',
    kind: 'User',
    name: GATEWAY_USER,
  }),
];

/** What Serving is told to do, in the namespace where it is told. */
const gatewaySettings: readonly RbacObject[] = [
  {
    apiVersion: API_VERSION,
    kind: 'Role',
    metadata: { ...metadata(GATEWAY_USER), namespace: CONFIG_NAMESPACE },
    rules: [{ verbs: read, apiGroups: [''], resources: ['configmaps'] }],
  },
  {
    apiVersion: API_VERSION,
    kind: 'RoleBinding',
    metadata: { ...metadata(GATEWAY_USER), namespace: CONFIG_NAMESPACE },
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: GATEWAY_USER },
    subjects: [{ apiGroup: 'rbac.authorization.k8s.io', kind: 'User', name: GATEWAY_USER }],
  },
];

function clusterRole(name: string, rules: PolicyRule[]): ClusterRole {
  return { apiVersion: API_VERSION, kind: 'ClusterRole', metadata: metadata(name), rules };
}

function rule(verb: string, apiGroup: string, resources: string[]): PolicyRule {
  return { verbs: [verb], apiGroups: [apiGroup], resources };
}

function paths(nonResourceURLs: string[]): PolicyRule {
  return { verbs: ['get'], nonResourceURLs };
}

function bind(name: string, ...subjects: Subject[]): ClusterRoleBinding {
  return {
    apiVersion: API_VERSION,
    kind: 'ClusterRoleBinding',
    metadata: metadata(name),
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name },
    subjects,
  };
}

function group(name: string): Subject {
  return { apiGroup: 'rbac.authorization.k8s.io', kind: 'Group', name };
}

function metadata(name: string): ClusterRole['metadata'] {
  return {
    name,
    labels: { 'kubernetes.io/bootstrapping': 'rbac-defaults' },
    annotations: { 'rbac.authorization.kubernetes.io/autoupdate': 'true' },
  };
}
