import type { HorizontalPodAutoscaler } from '#api/autoscaling-v2/horizontal-pod-autoscaler.ts';
import type { Kind } from '#api/kind.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { ServedKinds } from '#api/served-kinds.ts';
import type { Client, Ref } from '#client/client.ts';

/** What an autoscaler scales, of whatever kind: its size, and how its pods are found. */
export interface ScaleTarget {
  readonly replicas: number;
  /** Kubernetes' selector text; empty where the kind does not say. */
  readonly selector: string;
  /** Throws ApiError where the size was changed meanwhile. */
  resize(replicas: number): Promise<void>;
}

interface Scale {
  readonly spec?: { readonly replicas?: number };
  readonly status?: { readonly replicas?: number; readonly selector?: string };
}

/** Throws ApiError where there is no such kind, no such object, or nothing to scale it by. */
export async function readScaleTarget(
  { metadata: { namespace = '' }, spec }: HorizontalPodAutoscaler,
  { kinds, client }: { readonly kinds: ServedKinds; readonly client: Client },
): Promise<ScaleTarget> {
  const { apiVersion = '', kind: kindName = '', name = '' } = spec?.scaleTargetRef ?? {};
  const group = apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
  const kind = kinds
    .current()
    .find((candidate) => candidate.kind === kindName && candidate.group === group);
  if (!kind) {
    const within = group === '' ? '' : ` in group "${group}"`;
    throw new ApiError(
      'NotFound',
      `unable to determine resource for scale target reference: no matches for kind "${kindName}"${within}`,
    );
  }
  const ref = { namespace, name, subresource: 'scale' };
  const scale: Scale = await client.getSubresource(kind, ref);
  return {
    replicas: scale.spec?.replicas ?? 0,
    selector: scale.status?.selector ?? '',
    resize: (replicas) => resize(client, { kind, ref, scale, replicas }),
  };
}

/** With the version that was read: whoever changed the size meanwhile had a reason. */
async function resize(
  client: Client,
  {
    kind,
    ref,
    scale,
    replicas,
  }: {
    readonly kind: Kind;
    readonly ref: Ref & { readonly subresource: string };
    readonly scale: Scale;
    readonly replicas: number;
  },
): Promise<void> {
  await client.updateSubresource(kind, ref, { ...scale, spec: { ...scale.spec, replicas } });
}
