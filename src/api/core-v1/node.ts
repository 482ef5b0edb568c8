import type { Node as Generated } from '#api/generated/core-v1.ts';
import { nodeErrors } from '#api/core-v1/node-errors.ts';
import { defineCoreKind } from '#api/kind.ts';

export type Node = Generated;
export const Node = defineCoreKind<Node>({
  group: '',
  version: 'v1',
  kind: 'Node',
  plural: 'nodes',
  scope: 'Cluster',
  definition: 'io.k8s.api.core.v1.Node',
  shortNames: ['no'],
  subresources: ['status'],
  default({ spec, status }) {
    if (spec?.podCIDR) spec.podCIDRs ??= [spec.podCIDR];
    // Whoever tells only what a node has gives all of it away.
    if (status?.capacity) status.allocatable ??= { ...status.capacity };
  },
  validate: (node, { previous }) => nodeErrors(node, previous),
});
