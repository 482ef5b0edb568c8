import type { KubeObject } from '#api/meta/object-meta.ts';

export const FOREGROUND = 'foregroundDeletion';
export const ORPHAN = 'orphan';

type WithNamespaceFinalizers = KubeObject & { spec?: { finalizers?: unknown } };

/** A deletion was asked for, and nobody has to be waited for any more. */
export function isFinished(object: KubeObject): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata;
  return (
    deletionTimestamp !== undefined &&
    (deletionGracePeriodSeconds ?? 0) === 0 &&
    (finalizers ?? []).length === 0 &&
    !isNamespaceInUse(object)
  );
}

/** A namespace lists in its spec who still has to empty it. */
function isNamespaceInUse(object: WithNamespaceFinalizers): boolean {
  if (object.apiVersion !== 'v1' || object.kind !== 'Namespace') return false;
  const { finalizers } = object.spec ?? {};
  return Array.isArray(finalizers) && finalizers.length > 0;
}
