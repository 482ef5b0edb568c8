import { Endpoints } from '#api/core-v1/endpoints.ts';
import { Service } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import {
  hasOwnEndpoints,
  MANAGED_BY,
  MANAGER,
  SERVICE_NAME,
} from '#controllers/core/endpoint-slice/desired-endpoint-slices.ts';
import { desiredEndpoints } from '#controllers/core/endpoints/desired-endpoints.ts';
import { defineController, on } from '#reconcile/controller.ts';

/** Keeps, for clients of the older kind, an Endpoints beside the slices of each Service with a selector. */
export const endpointsController = defineController<Service>({
  kind: Service,
  owns: [Endpoints],
  watches: [
    on(EndpointSlice, ({ metadata }) => {
      const name = metadata.labels?.[SERVICE_NAME];
      return name === undefined ? [] : [{ namespace: metadata.namespace ?? '', name }];
    }),
  ],
  async reconcile(service, { client }) {
    if (!hasOwnEndpoints(service)) return {};
    const { namespace = '', name = '', uid = '' } = service.metadata;
    const { items } = await client.list(EndpointSlice, { namespace, ownedBy: uid });
    const slices = items
      .filter(({ metadata }) => metadata.labels?.[MANAGED_BY] === MANAGER)
      .toSorted((a, b) => ((a.metadata.name ?? '') < (b.metadata.name ?? '') ? -1 : 1));
    const desired = desiredEndpoints(service, slices);
    const known = await client.get(Endpoints, { namespace, name });
    // Nothing to say is said by saying nothing, which an apply would leave as it was.
    if (known?.subsets?.length && desired.subsets?.length === 0) {
      await client.update(Endpoints, { ...known, ...desired, metadata: known.metadata });
    } else await client.apply(Endpoints, desired);
    return {};
  },
});
