import type { ServiceAccount as Generated } from '#api/generated/core-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

export type ServiceAccount = Generated;
export const ServiceAccount = defineCoreKind<ServiceAccount>({
  group: '',
  version: 'v1',
  kind: 'ServiceAccount',
  plural: 'serviceaccounts',
  scope: 'Namespaced',
  definition: 'io.k8s.api.core.v1.ServiceAccount',
  shortNames: ['sa'],
});
