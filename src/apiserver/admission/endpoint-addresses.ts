import { Endpoints } from '#api/core-v1/endpoints.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import type { FieldError } from '#api/kind.ts';
import { endpointAddressErrors } from '#api/meta/address-errors.ts';
import { invalid } from '#api/meta/api-error.ts';
import type { AdmissionStep } from '#apiserver/admission/admit.ts';

/**
 * Traffic to a Service is led to its endpoints, by the gateway too, which is on the machine itself: nobody may name an
 * address there that is not reached from elsewhere. Kubernetes' own rule and words; a step of its own because whoever
 * builds a server without a network of pods has nothing but such addresses.
 */
export const endpointAddresses: AdmissionStep = {
  handles: (kind) => kind === EndpointSlice || kind === Endpoints,
  async admit() {
    return undefined;
  },
  async check(object, { kind, previous }) {
    if (!object) return;
    // `handles` let only these two kinds come here.
    const errorsOf = (of: unknown): FieldError[] =>
      kind === EndpointSlice ? sliceErrors(of as EndpointSlice) : subsetErrors(of as Endpoints);
    const errors = errorsOf(object);
    // What is there already may stay, as in Kubernetes.
    const known = new Set(previous ? errorsOf(previous).map(({ message }) => message) : []);
    if (errors.every(({ message }) => known.has(message))) return;
    throw invalid(kind, object.metadata.name ?? '', errors);
  },
};

function sliceErrors({ addressType, endpoints }: EndpointSlice): FieldError[] {
  if (addressType !== 'IPv4' && addressType !== 'IPv6') return [];
  return (endpoints ?? []).flatMap(({ addresses }, index) =>
    addresses.flatMap((address, place) =>
      endpointAddressErrors(`endpoints[${index}].addresses[${place}]`, address),
    ),
  );
}

function subsetErrors({ subsets = [] }: Endpoints): FieldError[] {
  return subsets.flatMap(({ addresses = [], notReadyAddresses = [] }, index) => [
    ...addresses.flatMap(({ ip }, place) =>
      endpointAddressErrors(`subsets[${index}].addresses[${place}].ip`, ip),
    ),
    ...notReadyAddresses.flatMap(({ ip }, place) =>
      endpointAddressErrors(`subsets[${index}].notReadyAddresses[${place}].ip`, ip),
    ),
  ]);
}
