import type { Namespace as Generated } from '#api/generated/core-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

export type Namespace = Generated;
export const Namespace = defineCoreKind<Namespace>({
  group: '',
  version: 'v1',
  kind: 'Namespace',
  plural: 'namespaces',
  scope: 'Cluster',
  definition: 'io.k8s.api.core.v1.Namespace',
  shortNames: ['ns'],
  subresources: ['status'],
});
