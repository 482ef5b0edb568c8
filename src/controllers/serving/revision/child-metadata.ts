import { isScaleAnnotation } from '#api/autoscaling-v1alpha1/scale-annotations.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import { LAST_APPLIED, servingKeys } from '#api/serving-v1/serving-keys.ts';
import { without } from '#controllers/serving/ensure-owned.ts';

/** The labels of all that is made for a Revision (serving specification §1.12). */
export function childLabels({ metadata }: Revision): Record<string, string> {
  const { name = '', uid = '', labels = {} } = metadata;
  return {
    [servingKeys.app]: name,
    ...without(labels, [servingKeys.route, servingKeys.routingState]),
    [servingKeys.revision]: name,
    [servingKeys.revisionUid]: uid,
  };
}

/** What says where requests come from and not what runs: it must not roll the pods. */
const ROUTING_ANNOTATIONS = [
  servingKeys.lastPinned,
  servingKeys.noGc,
  servingKeys.routingStateModified,
  servingKeys.routes,
  LAST_APPLIED,
];

/** The annotations of the Deployment and its pods. */
export function workloadAnnotations({ metadata }: Revision): Record<string, string> {
  const kept = Object.entries(without(metadata.annotations, ROUTING_ANNOTATIONS));
  return Object.fromEntries(kept.filter(([key]) => !isScaleAnnotation(key)));
}

/** Those of the PodAutoscaler, which is whom the scaling ones are for. */
export function scalingAnnotations({ metadata }: Revision): Record<string, string> {
  return without(metadata.annotations, ROUTING_ANNOTATIONS);
}
