import type { Service as Generated, ServiceSpec } from '#api/generated/core-v1.ts';
import { serviceErrors } from '#api/core-v1/service-errors.ts';
import { defineCoreKind } from '#api/kind.ts';

export type Service = Generated;
export const Service = defineCoreKind<Service>({
  group: '',
  version: 'v1',
  kind: 'Service',
  plural: 'services',
  scope: 'Namespaced',
  definition: 'io.k8s.api.core.v1.Service',
  shortNames: ['svc'],
  categories: ['all'],
  subresources: ['status'],
  default(service, { previous }) {
    const spec = (service.spec ??= {});
    spec.type ??= 'ClusterIP';
    spec.sessionAffinity ??= 'None';
    if (previous?.spec) dropFormer(spec, previous.spec);
    if (spec.sessionAffinity === 'None') delete spec.sessionAffinityConfig;
    if (spec.sessionAffinity === 'ClientIP') {
      const { clientIP } = (spec.sessionAffinityConfig ??= {});
      spec.sessionAffinityConfig.clientIP = { timeoutSeconds: 10_800, ...clientIP };
    }
    for (const port of spec.ports ?? []) {
      port.protocol ??= 'TCP';
      // Kubernetes takes a zero for nothing said.
      port.targetPort ||= port.port;
    }
    if (spec.type !== 'ExternalName') spec.internalTrafficPolicy ??= 'Cluster';
    if (hasNodePorts(service) || spec.externalIPs?.length) {
      spec.externalTrafficPolicy ??= 'Cluster';
    }
    if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true;
    service.status ??= { loadBalancer: {} };
  },
  validate: (service, { previous }) => serviceErrors(service, previous),
});

/** Reachable at every node's address too. */
export function hasNodePorts({ spec }: Pick<Service, 'spec'>): boolean {
  return spec?.type === 'NodePort' || spec?.type === 'LoadBalancer';
}

/** Without an address of its own: DNS answers with those of the endpoints. */
export function isHeadless({ spec }: Service): boolean {
  return spec?.clusterIP === 'None';
}

/** What belonged to the type it had and was not changed with it: a client that replaces a Service sends it back. */
function dropFormer(spec: ServiceSpec, previous: ServiceSpec): void {
  const isSame = (field: keyof ServiceSpec): boolean => spec[field] === previous[field];
  const isBalanced = spec.type === 'LoadBalancer';
  if (hasNodePorts({ spec: previous }) && !hasNodePorts({ spec })) {
    const numbers = (ports: ServiceSpec['ports']): string =>
      (ports ?? []).map(({ nodePort = 0 }) => nodePort).join(' ');
    if (numbers(spec.ports) === numbers(previous.ports)) {
      for (const port of spec.ports ?? []) delete port.nodePort;
    }
    const policy = 'externalTrafficPolicy';
    if (!spec.externalIPs?.length && isSame(policy)) delete spec[policy];
  }
  if (!isBalanced) {
    if (isSame('allocateLoadBalancerNodePorts')) delete spec.allocateLoadBalancerNodePorts;
    if (isSame('loadBalancerClass')) delete spec.loadBalancerClass;
  }
  const isChecked = isBalanced && spec.externalTrafficPolicy === 'Local';
  if (!isChecked && isSame('healthCheckNodePort')) delete spec.healthCheckNodePort;
}
