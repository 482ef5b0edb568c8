import type { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { Metric } from '#api/autoscaling-v1alpha1/metric.ts';
import { HorizontalPodAutoscaler } from '#api/autoscaling-v2/horizontal-pod-autoscaler.ts';
import type { Kind } from '#api/kind.ts';
import type { NameTaken } from '#reconcile/name-taken.ts';
import { doesNotOwn } from '#controllers/serving/ensure-owned.ts';

/** What upstream's reconcilers of PodAutoscalers say when they fail; `called` is their short word for the child. */
export function trialsOf(
  called: 'SKS' | 'metric',
  name?: string,
): { readonly create: string; readonly update: string } {
  const what = name === undefined ? called : `${called} ${name}`;
  const began = `error reconciling ${called === 'metric' ? 'Metric' : called}`;
  return { create: `${began}: error creating ${what}`, update: `${began}: error updating ${what}` };
}

/** A child's name is somebody else's. */
export function takenFrom(autoscaler: PodAutoscaler, kind: Kind): NameTaken {
  const { name = '' } = autoscaler.metadata;
  if (kind === HorizontalPodAutoscaler) {
    return doesNotOwn(autoscaler, kind, {
      name,
      message: `PodAutoscaler: "${name}" does not own HPA: "${name}"`,
    });
  }
  const called = kind === Metric ? 'Metric' : 'SKS';
  const message = `error reconciling ${called}: PA: ${name} does not own ${called}: ${name}`;
  return doesNotOwn(autoscaler, kind, { name, message });
}
