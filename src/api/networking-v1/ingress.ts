import type { Ingress as Generated } from '#api/generated/networking-v1.ts';
import { defineCoreKind } from '#api/kind.ts';
import { ingressErrors } from '#api/networking-v1/ingress-errors.ts';

const CLASS_ANNOTATION = 'kubernetes.io/ingress.class';

export type Ingress = Generated;
export const Ingress = defineCoreKind<Ingress>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'Ingress',
  plural: 'ingresses',
  scope: 'Namespaced',
  definition: 'io.k8s.api.networking.v1.Ingress',
  shortNames: ['ing'],
  subresources: ['status'],
  notActedOn:
    'Ingresses of networking.k8s.io are stored, but no traffic is routed by them yet: use a Knative Service or DomainMapping',
  default(ingress, { operation }) {
    if (operation === 'CREATE') ingress.status = { loadBalancer: {} };
  },
  validate: (ingress, { previous }) => ingressErrors(ingress, previous),
  warnings: ({ metadata: { annotations = {} } }, { previous }) =>
    !previous && Object.hasOwn(annotations, CLASS_ANNOTATION)
      ? [
          `annotation "${CLASS_ANNOTATION}" is deprecated, please use 'spec.ingressClassName' instead`,
        ]
      : [],
});
