import { isDeepStrictEqual } from 'node:util';
import { resourceOf, type Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';

/** Kubernetes' own that count nothing although they have a status. */
const UNCOUNTED: ReadonlySet<string> = new Set([
  'horizontalpodautoscalers.autoscaling',
  'namespaces',
  'nodes',
  'persistentvolumeclaims',
  'persistentvolumes',
  'resourcequotas',
  'services',
]);
/** And those that count although they have none. */
const COUNTED: ReadonlySet<string> = new Set([
  'endpointslices.discovery.k8s.io',
  'ingressclasses.networking.k8s.io',
  'mutatingwebhookconfigurations.admissionregistration.k8s.io',
  'networkpolicies.networking.k8s.io',
  'podtemplates',
  'priorityclasses.scheduling.k8s.io',
  'validatingwebhookconfigurations.admissionregistration.k8s.io',
]);

/** Kinds with a status of their own tell by `generation` which spec that status is about; of Kubernetes' own, some do. */
export function hasGeneration(kind: Kind): boolean {
  const resource = resourceOf(kind);
  if (COUNTED.has(resource)) return true;
  const hasStatus = kind.custom !== undefined || kind.subresources.includes('status');
  return hasStatus && !UNCOUNTED.has(resource);
}

/** Counts up where anything but metadata and status differs; a status that is no subresource is a wish like others. */
export function nextGeneration(
  kind: Kind,
  { previous, next }: { readonly previous: KubeObject; readonly next: KubeObject },
): number {
  const generation = previous.metadata.generation ?? 1;
  return isDeepStrictEqual(wishesOf(kind, previous), wishesOf(kind, next))
    ? generation
    : generation + 1;
}

function wishesOf(kind: Kind, object: KubeObject & { status?: unknown }): unknown {
  const { metadata, status, ...wishes } = object;
  if (kind.subresources.includes('status')) return wishes;
  // Who watches slices chooses among them by their labels.
  const labels = kind.plural === 'endpointslices' ? metadata.labels : undefined;
  return { ...wishes, status, labels };
}
