import type { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { endpointsOf } from '#api/discovery-v1/endpoints-of.ts';
import type { PodEndpoint } from '../backend/pod.ts';

/** The endpoints of a Service's port, which the slices know by name; one that the slices name alone may go unnamed. */
export function podEndpoints(
  slices: readonly EndpointSlice[],
  portName: string | undefined,
): PodEndpoint[] {
  const byName = new Map<string, PodEndpoint>();
  for (const slice of slices) {
    const ports = slice.ports ?? [];
    const named = ports.find((port) => (port.name ?? '') === (portName ?? ''));
    const port = (named ?? (ports.length === 1 ? ports[0] : undefined))?.port;
    if (port === undefined) continue;
    for (const { addresses, conditions, targetRef } of endpointsOf(slice)) {
      const [address] = addresses;
      if (address === undefined) continue;
      const name = targetRef?.name ?? address;
      // Absent conditions mean ready and not terminating (Kubernetes' EndpointConditions).
      const isReady = conditions?.ready ?? true;
      const isTerminating = conditions?.terminating ?? false;
      byName.set(name, { name, address, port, isReady, isTerminating });
    }
  }
  return [...byName.values()];
}
