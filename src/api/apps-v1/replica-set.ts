import type { ReplicaSet as Generated } from '#api/generated/apps-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

export type ReplicaSet = Generated;
export const ReplicaSet = defineCoreKind<ReplicaSet>({
  group: 'apps',
  version: 'v1',
  kind: 'ReplicaSet',
  plural: 'replicasets',
  scope: 'Namespaced',
  definition: 'io.k8s.api.apps.v1.ReplicaSet',
  shortNames: ['rs'],
  categories: ['all'],
  subresources: ['status', 'scale'],
});
