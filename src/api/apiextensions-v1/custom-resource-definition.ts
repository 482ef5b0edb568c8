import type { CustomResourceDefinition as Generated } from '#api/generated/apiextensions-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

export type CustomResourceDefinition = Generated;
export const CustomResourceDefinition = defineCoreKind<CustomResourceDefinition>({
  group: 'apiextensions.k8s.io',
  version: 'v1',
  kind: 'CustomResourceDefinition',
  plural: 'customresourcedefinitions',
  scope: 'Cluster',
  definition: 'io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition',
  shortNames: ['crd', 'crds'],
  categories: ['api-extensions'],
  subresources: ['status'],
  notActedOn: 'CustomResourceDefinitions are stored, but their kinds are not served yet',
});
