import type { Lease as Generated } from '#api/generated/coordination-v1.ts';
import { defineCoreKind } from '#api/kind.ts';
import { wrongValue } from '#api/meta/field-error.ts';
import { negativeErrors } from '#api/meta/value-errors.ts';

export type Lease = Generated;
export const Lease = defineCoreKind<Lease>({
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  scope: 'Namespaced',
  definition: 'io.k8s.api.coordination.v1.Lease',
  default({ spec }) {
    // Of a feature that is off unless asked for, as in Kubernetes.
    delete spec?.strategy;
    delete spec?.preferredHolder;
  },
  validate({ spec = {} }) {
    const { leaseDurationSeconds: seconds, leaseTransitions } = spec;
    return [
      ...(seconds !== undefined && seconds <= 0
        ? [wrongValue('spec.leaseDurationSeconds', seconds, 'must be greater than 0')]
        : []),
      ...negativeErrors('spec.leaseTransitions', leaseTransitions),
    ];
  },
});
