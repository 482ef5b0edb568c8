import type { Pod as Generated } from '#api/generated/core-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

export type Pod = Generated;
export const Pod = defineCoreKind<Pod>({
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  scope: 'Namespaced',
  definition: 'io.k8s.api.core.v1.Pod',
  shortNames: ['po'],
  categories: ['all'],
  subresources: ['status'],
});
