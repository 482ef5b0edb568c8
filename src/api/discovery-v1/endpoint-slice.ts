import type { EndpointSlice as Generated } from '#api/generated/discovery-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

export type EndpointSlice = Generated;
export const EndpointSlice = defineCoreKind<EndpointSlice>({
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  scope: 'Namespaced',
  definition: 'io.k8s.api.discovery.v1.EndpointSlice',
});
