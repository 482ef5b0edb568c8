import type { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { HorizontalPodAutoscaler } from '#api/autoscaling-v2/horizontal-pod-autoscaler.ts';
import type { Kind, StatusOf } from '#api/kind.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { isOwnedBy } from '#api/meta/object-meta.ts';
import { ServerlessService } from '#api/networking-v1alpha1/serverless-service.ts';
import type { ScaleSettings } from '#autoscaler/scale-settings.ts';
import type { Client } from '#client/client.ts';
import type { Context, Outcome } from '#reconcile/controller.ts';
import { tried } from '#reconcile/told-failure.ts';
import { ensureOwned, placeOf } from '#controllers/serving/ensure-owned.ts';
import { takenFrom, trialsOf } from '#controllers/serving/pod-autoscaler/autoscaler-words.ts';
import { desiredHorizontalPodAutoscaler } from '#controllers/serving/pod-autoscaler/desired-horizontal-pod-autoscaler.ts';
import { desiredServerlessService } from '#controllers/serving/pod-autoscaler/desired-serverless-service.ts';
import {
  markFailedCreate,
  markInitialized,
  markNotOwned,
  podAutoscalerStatus,
} from '#controllers/serving/pod-autoscaler/pod-autoscaler-status.ts';

/**
 * PodAutoscaler of class hpa → HorizontalPodAutoscaler, which owns the replica count (serving specification §3.8). Such
 * a revision is always active: it never goes to zero.
 */
export async function reconcileHpaClass(
  autoscaler: PodAutoscaler,
  { client, clock }: Context,
  settings: ScaleSettings,
): Promise<Outcome<StatusOf<PodAutoscaler>>> {
  const { hpa, unmade } = await applied(client, { autoscaler, settings });
  const sks = await ensureOwned(client, ServerlessService, {
    owner: autoscaler,
    desired: desiredServerlessService(autoscaler, { mode: 'Serve', numActivators: 0 }),
    says: trialsOf('SKS', autoscaler.metadata.name),
  });
  const { desiredReplicas = 0, currentReplicas = 0 } = hpa?.status ?? {};
  const { name } = placeOf(autoscaler.metadata);
  const taken: Kind | undefined =
    hpa || unmade ? (sks ? undefined : ServerlessService) : HorizontalPodAutoscaler;
  const failure = unmade ?? (taken && takenFrom(autoscaler, taken));
  const status = podAutoscalerStatus(autoscaler, {
    sks,
    unready: 'SKS Services are not ready yet',
    now: clock.now(),
    ...(hpa?.status && { desiredScale: desiredReplicas }),
    actualScale: currentReplicas,
    mark(conditions) {
      if (unmade) markFailedCreate(conditions, HorizontalPodAutoscaler.kind, name);
      else if (taken) markNotOwned(conditions, taken.kind, name);
      else conditions.markTrue('Active');
      markInitialized(conditions, { readyPods: currentReplicas, settings });
    },
  });
  return { status, ...(failure && { failure }) };
}

/** Neither where somebody else has one of that name, which is left alone. */
async function applied(
  client: Client,
  {
    autoscaler,
    settings,
  }: { readonly autoscaler: PodAutoscaler; readonly settings: ScaleSettings },
): Promise<{ readonly hpa?: HorizontalPodAutoscaler; readonly unmade?: ApiError }> {
  const existing = await client.get(HorizontalPodAutoscaler, placeOf(autoscaler.metadata));
  if (existing && !isOwnedBy(existing, autoscaler)) return {};
  const desired = desiredHorizontalPodAutoscaler(autoscaler, settings);
  try {
    const trial = `failed to ${existing ? 'update' : 'create'} HPA`;
    return { hpa: await tried(trial, () => client.apply(HorizontalPodAutoscaler, desired)) };
  } catch (error) {
    if (existing || !(error instanceof ApiError)) throw error;
    return { unmade: error };
  }
}
