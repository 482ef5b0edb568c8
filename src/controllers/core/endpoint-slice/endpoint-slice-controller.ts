import { Pod } from '#api/core-v1/pod.ts';
import { Service } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { matchLabelSelector } from '#api/meta/selector.ts';
import {
  desiredEndpointSlices,
  hasOwnEndpoints,
  MANAGER,
} from '#controllers/core/endpoint-slice/desired-endpoint-slices.ts';
import { publishSlices } from '#controllers/core/endpoint-slice/publish-slices.ts';
import { defineController, keyOf, on, type Key, type Known } from '#reconcile/controller.ts';

/** Writes where the pods are that a Service with a selector leads to. Slices of others, of the same Service too, stay. */
export const endpointSliceController = defineController<Service>({
  kind: Service,
  owns: [EndpointSlice],
  watches: [on(Pod, servicesOf)],
  async reconcile(service, { client }) {
    const { namespace = '', uid = '' } = service.metadata;
    const pods = hasOwnEndpoints(service)
      ? (await client.list(Pod, { namespace })).items.filter((pod) => isSelected(service, pod))
      : [];
    const desired = hasOwnEndpoints(service) ? desiredEndpointSlices(service, pods) : [];
    await publishSlices(client, { namespace, uid, manager: MANAGER }, desired);
    return {};
  },
});

function isSelected({ spec }: Service, pod: Pod): boolean {
  return matchLabelSelector({ matchLabels: spec?.selector ?? {} })(pod.metadata.labels);
}

function servicesOf(pod: Pod, known: Known): readonly Key[] {
  return known
    .list(Service, pod.metadata.namespace)
    .filter((service) => hasOwnEndpoints(service) && isSelected(service, pod))
    .map((service) => keyOf(service));
}
