import { endpointSliceErrors } from '#api/discovery-v1/endpoint-slice-errors.ts';
import type { EndpointSlice as Generated } from '#api/generated/discovery-v1.ts';
import { defineCoreKind } from '#api/kind.ts';
import { immutableErrors } from '#api/meta/field-error.ts';

export type EndpointSlice = Generated;
export const EndpointSlice = defineCoreKind<EndpointSlice>({
  group: 'discovery.k8s.io',
  version: 'v1',
  kind: 'EndpointSlice',
  plural: 'endpointslices',
  scope: 'Namespaced',
  definition: 'io.k8s.api.discovery.v1.EndpointSlice',
  default({ ports }) {
    for (const port of ports ?? []) {
      port.name ??= '';
      port.protocol ??= 'TCP';
    }
  },
  validate: (slice, { previous }) => [
    ...endpointSliceErrors(slice, previous),
    ...(previous ? immutableErrors('addressType', slice.addressType, previous.addressType) : []),
  ],
});
