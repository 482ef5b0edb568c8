import { Deployment } from '#api/apps-v1/deployment.ts';
import { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { SCALE_PREFIX } from '#api/autoscaling-v1alpha1/scale-annotations.ts';
import { apiVersionOf } from '#api/kind.ts';
import { conditionOf } from '#api/meta/conditions.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import { protocolOf } from '#api/serving-v1/revision-template.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import { placeOf } from '#controllers/serving/ensure-owned.ts';
import { childLabels, scalingAnnotations } from '#controllers/serving/revision/child-metadata.ts';

const FILLED_IN = ['class', 'metric'].map((name) => `${SCALE_PREFIX}${name}`);

/** `existing` keeps the class and the metric that were filled in when it was made. */
export function desiredPodAutoscaler(
  revision: Revision,
  {
    deployment,
    existing,
  }: { readonly deployment: Deployment; readonly existing: PodAutoscaler | undefined },
): PodAutoscaler {
  const { name, namespace } = placeOf(revision.metadata);
  return {
    apiVersion: apiVersionOf(PodAutoscaler),
    kind: PodAutoscaler.kind,
    metadata: {
      name,
      namespace,
      labels: childLabels(revision),
      annotations: { ...filledIn(existing), ...scalingAnnotations(revision) },
    },
    spec: {
      containerConcurrency: revision.spec.containerConcurrency ?? 0,
      protocolType: protocolOf(revision.spec),
      reachability: reachabilityOf(revision, deployment),
      scaleTargetRef: {
        apiVersion: apiVersionOf(Deployment),
        kind: Deployment.kind,
        name: deployment.metadata.name ?? '',
      },
    },
  };
}

function filledIn(existing: PodAutoscaler | undefined): Record<string, string> {
  const annotations = Object.entries(existing?.metadata.annotations ?? {});
  return Object.fromEntries(annotations.filter(([key]) => FILLED_IN.includes(key)));
}

/** A revision that is broken and has no pod counts as unreachable, which lets it go to zero. */
function reachabilityOf(
  revision: Revision,
  { spec, status }: Deployment,
): '' | 'Reachable' | 'Unreachable' {
  const isBroken = ['ResourcesAvailable', 'ContainerHealthy'].some(
    (type) => conditionOf(revision, type)?.status === 'False',
  );
  const isWithoutPods = (spec?.replicas ?? 1) > 0 && !status?.readyReplicas;
  if (isBroken && isWithoutPods) return 'Unreachable';
  const routingState = revision.metadata.labels?.[servingKeys.routingState];
  if (routingState === 'active') return 'Reachable';
  return routingState === 'reserve' ? 'Unreachable' : '';
}
