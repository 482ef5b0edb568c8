import type { ObjectOf } from '#api/kind.ts';
import { defineMeasuredKind, usage } from '#api/metrics-v1beta1/measured-kind.ts';

/** What a machine uses, its own programs included. */
export type NodeMetrics = ObjectOf<typeof NodeMetrics>;
export const NodeMetrics = defineMeasuredKind(
  { kind: 'NodeMetrics', plural: 'nodes', scope: 'Cluster' },
  { usage },
);
