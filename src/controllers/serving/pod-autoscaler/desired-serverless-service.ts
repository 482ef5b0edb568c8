import type { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { SCALE_PREFIX } from '#api/autoscaling-v1alpha1/scale-annotations.ts';
import { apiVersionOf } from '#api/kind.ts';
import { ServerlessService } from '#api/networking-v1alpha1/serverless-service.ts';
import type { ScaleSettings } from '#autoscaler/scale-settings.ts';
import { placeOf, without } from '#controllers/serving/ensure-owned.ts';

/** As many activators as upstream has at least; with ours it says no more than that there are several gateways. */
const ACTIVATORS_MIN = 2;

export function desiredServerlessService(
  autoscaler: PodAutoscaler,
  { mode, numActivators }: { readonly mode: 'Serve' | 'Proxy'; readonly numActivators: number },
): ServerlessService {
  const { name, namespace } = placeOf(autoscaler.metadata);
  const { labels = {} } = autoscaler.metadata;
  // What a revision scales by says nothing of where it is reached.
  const annotations = without(autoscaler.metadata.annotations, [`${SCALE_PREFIX}metric`]);
  return {
    apiVersion: apiVersionOf(ServerlessService),
    kind: ServerlessService.kind,
    metadata: { name, namespace, labels, annotations },
    spec: {
      mode,
      numActivators,
      objectRef: autoscaler.spec.scaleTargetRef,
      protocolType: autoscaler.spec.protocolType,
    },
  };
}

export function activatorsFor(readyPods: number, settings: ScaleSettings): number {
  const { targetBurstCapacity, total, activatorCapacity } = settings;
  if (targetBurstCapacity === 0) return ACTIVATORS_MIN;
  const burst = readyPods * total + Math.max(0, targetBurstCapacity);
  return Math.max(ACTIVATORS_MIN, Math.ceil(burst / activatorCapacity));
}
