import type { ObjectOf } from '#api/kind.ts';
import { defineMeasuredKind, usage } from '#api/metrics-v1beta1/measured-kind.ts';
import { array, object, string } from '#api/schema.ts';

/** What each running container of a pod uses; with the pod's labels, so that selectors find it. */
export type PodMetrics = ObjectOf<typeof PodMetrics>;
export const PodMetrics = defineMeasuredKind(
  { kind: 'PodMetrics', plural: 'pods', scope: 'Namespaced' },
  { containers: array(object({ name: string(), usage })) },
);
