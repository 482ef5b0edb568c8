import { defineKind, type ObjectOf } from '#api/kind.ts';
import { object, string } from '#api/schema.ts';

/** A domain, its name, and the one namespace that may map it. */
export type ClusterDomainClaim = ObjectOf<typeof ClusterDomainClaim>;
export const ClusterDomainClaim = defineKind({
  group: 'networking.internal.knative.dev',
  version: 'v1alpha1',
  kind: 'ClusterDomainClaim',
  plural: 'clusterdomainclaims',
  shortNames: ['cdc'],
  categories: ['knative-internal', 'networking'],
  scope: 'Cluster',
  spec: object({ namespace: string() }),
});
