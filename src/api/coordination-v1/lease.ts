import type { Lease as Generated } from '#api/generated/coordination-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

export type Lease = Generated;
export const Lease = defineCoreKind<Lease>({
  group: 'coordination.k8s.io',
  version: 'v1',
  kind: 'Lease',
  plural: 'leases',
  scope: 'Namespaced',
  definition: 'io.k8s.api.coordination.v1.Lease',
});
