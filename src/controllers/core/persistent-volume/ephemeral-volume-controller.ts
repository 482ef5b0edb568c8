import { claimNameOf } from '#api/core-v1/pod-claims.ts';
import { PersistentVolumeClaim } from '#api/core-v1/persistent-volume-claim.ts';
import { Pod } from '#api/core-v1/pod.ts';
import type { Volume } from '#api/generated/core-v1.ts';
import { controllerReference, isOwnedBy } from '#api/meta/object-meta.ts';
import { isEnded } from '#controllers/core/pod-state.ts';
import { defineController, type Context } from '#reconcile/controller.ts';
import { recordEvent } from '#reconcile/record-event.ts';

/** Makes the claims of a pod's ephemeral volumes, which are its own: they go when it does. */
export const ephemeralVolumeController = defineController<Pod>({
  kind: Pod,
  owns: [PersistentVolumeClaim],
  async reconcile(pod, context) {
    if (isEnded(pod)) return {};
    for (const volume of pod.spec?.volumes ?? []) {
      if (volume.ephemeral) await ensureClaim(pod, volume, context);
    }
    return {};
  },
});

async function ensureClaim(pod: Pod, volume: Volume, context: Context): Promise<void> {
  const { namespace = '', name: podName = '' } = pod.metadata;
  const name = claimNameOf(volume, podName) ?? '';
  const known = await context.client.get(PersistentVolumeClaim, { namespace, name });
  if (known && isOwnedBy(known, pod)) return;
  if (known) {
    await recordEvent(context, pod, {
      type: 'Warning',
      reason: 'FailedBinding',
      message: `ephemeral volume ${volume.name}: PVC ${namespace}/${name} was not created for pod ${namespace}/${podName} (pod is not owner)`,
      component: 'ephemeral_volume',
    });
    return;
  }
  const { metadata, spec } = volume.ephemeral?.volumeClaimTemplate ?? { spec: {} };
  const { labels, annotations } = metadata ?? {};
  await context.client.create(PersistentVolumeClaim, {
    apiVersion: 'v1',
    kind: 'PersistentVolumeClaim',
    metadata: {
      namespace,
      name,
      ...(labels && { labels: { ...labels } }),
      ...(annotations && { annotations: { ...annotations } }),
      ownerReferences: [controllerReference(pod)],
    },
    spec: structuredClone(spec),
  });
}
