import type { Secret as Generated } from '#api/generated/core-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

export type Secret = Generated;
export const Secret = defineCoreKind<Secret>({
  group: '',
  version: 'v1',
  kind: 'Secret',
  plural: 'secrets',
  scope: 'Namespaced',
  definition: 'io.k8s.api.core.v1.Secret',
});
