import type { Service as Generated } from '#api/generated/core-v1.ts';
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
});
