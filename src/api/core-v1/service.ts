import type { Service as Generated } from '#api/generated/core-v1.ts';
import { isPort } from '#api/core-v1/pod-errors.ts';
import { defineCoreKind, type FieldError } from '#api/kind.ts';
import { required, wrongValue } from '#api/meta/field-error.ts';

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
  default(service) {
    const spec = (service.spec ??= {});
    spec.type ??= 'ClusterIP';
    spec.sessionAffinity ??= 'None';
    if (spec.sessionAffinity === 'ClientIP') {
      const { clientIP } = (spec.sessionAffinityConfig ??= {});
      spec.sessionAffinityConfig.clientIP = { timeoutSeconds: 10_800, ...clientIP };
    }
    for (const port of spec.ports ?? []) {
      port.protocol ??= 'TCP';
      port.targetPort ??= port.port;
    }
    if (spec.type !== 'ExternalName') spec.internalTrafficPolicy ??= 'Cluster';
    if (hasNodePorts(service) || spec.externalIPs?.length) {
      spec.externalTrafficPolicy ??= 'Cluster';
    }
    if (spec.type === 'LoadBalancer') spec.allocateLoadBalancerNodePorts ??= true;
    service.status ??= { loadBalancer: {} };
  },
  validate(service) {
    return [...typeErrors(service), ...portErrors(service)];
  },
});

/** Reachable at every node's address too. */
export function hasNodePorts({ spec }: Service): boolean {
  return spec?.type === 'NodePort' || spec?.type === 'LoadBalancer';
}

/** Without an address of its own: DNS answers with those of the endpoints. */
export function isHeadless({ spec }: Service): boolean {
  return spec?.clusterIP === 'None';
}

function typeErrors(service: Service): FieldError[] {
  const { spec = {} } = service;
  if (spec.type === 'ExternalName') {
    return spec.externalName ? [] : [required('spec.externalName')];
  }
  const mayHaveNoPorts = isHeadless(service) && spec.type === 'ClusterIP';
  return mayHaveNoPorts || spec.ports?.length ? [] : [required('spec.ports')];
}

function portErrors({ spec = {} }: Service): FieldError[] {
  const ports = spec.ports ?? [];
  const seen = new Set<string>();
  return ports.flatMap((port, index) => {
    const at = `spec.ports[${index}]`;
    const errors: FieldError[] = [];
    const identity = `${port.protocol}/${port.port}`;
    if (ports.length > 1 && !port.name) errors.push(required(`${at}.name`));
    if (!isPort(port.port ?? 0)) {
      errors.push(
        wrongValue(`${at}.port`, port.port ?? 0, 'must be between 1 and 65535, inclusive'),
      );
    }
    if (typeof port.targetPort === 'number' && !isPort(port.targetPort)) {
      errors.push(
        wrongValue(`${at}.targetPort`, port.targetPort, 'must be between 1 and 65535, inclusive'),
      );
    }
    if (seen.has(identity)) {
      const message = `Duplicate value: ${JSON.stringify({ port: port.port, protocol: port.protocol })}`;
      errors.push({ path: at, message, reason: 'FieldValueDuplicate' });
    }
    seen.add(identity);
    return errors;
  });
}
