import type { Endpoints as Generated } from '#api/generated/core-v1.ts';
import { subsetErrors } from '#api/core-v1/endpoints-errors.ts';
import { defineCoreKind } from '#api/kind.ts';

export type Endpoints = Generated;
export const Endpoints = defineCoreKind<Endpoints>({
  group: '',
  version: 'v1',
  kind: 'Endpoints',
  plural: 'endpoints',
  scope: 'Namespaced',
  definition: 'io.k8s.api.core.v1.Endpoints',
  shortNames: ['ep'],
  deprecation: 'v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice',
  default({ subsets = [] }) {
    for (const port of subsets.flatMap(({ ports = [] }) => ports)) port.protocol ??= 'TCP';
  },
  validate: ({ subsets = [] }) =>
    subsets.flatMap((subset, index) => subsetErrors(subset, `subsets[${index}]`)),
});
