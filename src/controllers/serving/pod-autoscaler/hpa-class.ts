import type { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { HorizontalPodAutoscaler } from '#api/autoscaling-v2/horizontal-pod-autoscaler.ts';
import type { Kind, StatusOf } from '#api/kind.ts';
import { isOwnedBy } from '#api/meta/object-meta.ts';
import { ServerlessService } from '#api/networking-v1alpha1/serverless-service.ts';
import type { ScaleSettings } from '#autoscaler/scale-settings.ts';
import type { Client } from '#client/client.ts';
import type { Context, Outcome } from '#reconcile/controller.ts';
import { doesNotOwn, ensureOwned, placeOf } from '#controllers/serving/ensure-owned.ts';
import { desiredHorizontalPodAutoscaler } from '#controllers/serving/pod-autoscaler/desired-horizontal-pod-autoscaler.ts';
import { desiredServerlessService } from '#controllers/serving/pod-autoscaler/desired-serverless-service.ts';
import {
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
  const hpa = await applied(client, { autoscaler, settings });
  const sks = await ensureOwned(client, ServerlessService, {
    owner: autoscaler,
    desired: desiredServerlessService(autoscaler, { mode: 'Serve', numActivators: 0 }),
  });
  const { desiredReplicas = 0, currentReplicas = 0 } = hpa?.status ?? {};
  const { name } = placeOf(autoscaler.metadata);
  const taken: Kind | undefined = hpa
    ? sks
      ? undefined
      : ServerlessService
    : HorizontalPodAutoscaler;
  const status = podAutoscalerStatus(autoscaler, {
    sks,
    unready: 'SKS Services are not ready yet',
    now: clock.now(),
    ...(hpa?.status && { desiredScale: desiredReplicas }),
    actualScale: currentReplicas,
    mark(conditions) {
      if (taken === undefined) conditions.markTrue('Active');
      else markNotOwned(conditions, taken.kind, name);
      markInitialized(conditions, { readyPods: currentReplicas, settings });
    },
  });
  return {
    status,
    ...(taken !== undefined && { failure: doesNotOwn(autoscaler, taken, { name }) }),
  };
}

/** Undefined where somebody else has one of that name, which is left alone. */
async function applied(
  client: Client,
  {
    autoscaler,
    settings,
  }: { readonly autoscaler: PodAutoscaler; readonly settings: ScaleSettings },
): Promise<HorizontalPodAutoscaler | undefined> {
  const existing = await client.get(HorizontalPodAutoscaler, placeOf(autoscaler.metadata));
  if (existing && !isOwnedBy(existing, autoscaler)) return undefined;
  const desired = desiredHorizontalPodAutoscaler(autoscaler, settings);
  return await client.apply(HorizontalPodAutoscaler, desired);
}
