import type { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';

/** The endpoints of a slice that may come from any cluster: Kubernetes itself says null where there are none. */
export function endpointsOf(slice: EndpointSlice): EndpointSlice['endpoints'] {
  // The schema knows no null.
  return (slice.endpoints as EndpointSlice['endpoints'] | null) ?? [];
}
