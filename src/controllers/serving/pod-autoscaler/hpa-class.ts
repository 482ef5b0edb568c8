import type { PodAutoscaler } from '#api/autoscaling-v1alpha1/pod-autoscaler.ts';
import { HorizontalPodAutoscaler } from '#api/autoscaling-v2/horizontal-pod-autoscaler.ts';
import type { StatusOf } from '#api/kind.ts';
import { isOwnedBy } from '#api/meta/object-meta.ts';
import { ServerlessService } from '#api/networking-v1alpha1/serverless-service.ts';
import type { ScaleSettings } from '#autoscaler/scale-settings.ts';
import type { Client } from '#client/client.ts';
import type { Context, Outcome } from '#reconcile/controller.ts';
import { ensureOwned, placeOf } from '#controllers/serving/ensure-owned.ts';
import { desiredHorizontalPodAutoscaler } from '#controllers/serving/pod-autoscaler/desired-horizontal-pod-autoscaler.ts';
import { desiredServerlessService } from '#controllers/serving/pod-autoscaler/desired-serverless-service.ts';
import {
  markInitialized,
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
  const status = podAutoscalerStatus(autoscaler, {
    sks: sks?.object,
    now: clock.now(),
    ...(hpa?.status && { desiredScale: desiredReplicas }),
    actualScale: currentReplicas,
    mark(conditions) {
      if (hpa) conditions.markTrue('Active');
      else conditions.markFalse('Active', 'NotOwned', notOwned(autoscaler));
      markInitialized(conditions, { readyPods: currentReplicas, settings });
    },
  });
  return { status };
}

function notOwned({ metadata }: PodAutoscaler): string {
  return `There is an existing ${HorizontalPodAutoscaler.kind} "${metadata.name}" that we do not own.`;
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
