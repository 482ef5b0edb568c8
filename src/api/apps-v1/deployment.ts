import type { Deployment as Generated } from '#api/generated/apps-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

export type Deployment = Generated;
export const Deployment = defineCoreKind<Deployment>({
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  scope: 'Namespaced',
  definition: 'io.k8s.api.apps.v1.Deployment',
  shortNames: ['deploy'],
  categories: ['all'],
  subresources: ['status', 'scale'],
});
