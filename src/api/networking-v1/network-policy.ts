import type { NetworkPolicy as Generated } from '#api/generated/networking-v1.ts';
import { defineCoreKind } from '#api/kind.ts';
import { networkPolicyErrors } from '#api/networking-v1/network-policy-errors.ts';

export type NetworkPolicy = Generated;
export const NetworkPolicy = defineCoreKind<NetworkPolicy>({
  group: 'networking.k8s.io',
  version: 'v1',
  kind: 'NetworkPolicy',
  plural: 'networkpolicies',
  scope: 'Namespaced',
  definition: 'io.k8s.api.networking.v1.NetworkPolicy',
  shortNames: ['netpol'],
  notActedOn: 'NetworkPolicies are stored, but no traffic is filtered by them yet',
  default({ spec }) {
    if (!spec) return;
    const { ingress = [], egress = [] } = spec;
    // A rule for egress says that egress is meant; ingress always is.
    spec.policyTypes ??= spec.egress?.length ? ['Ingress', 'Egress'] : ['Ingress'];
    for (const { ports } of [...ingress, ...egress]) {
      for (const port of ports ?? []) port.protocol ??= 'TCP';
    }
  },
  validate: ({ spec }) => (spec ? networkPolicyErrors(spec) : []),
});
