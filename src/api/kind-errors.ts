import { isDeepStrictEqual } from 'node:util';
import type { AdmissionContext, FieldError, Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';

/** What the kind's own file says is wrong with `object`. */
export function kindErrors(
  kind: Kind,
  object: KubeObject,
  context: AdmissionContext<KubeObject>,
): FieldError[] {
  if (kind.webhook !== undefined && isLeavingAsItIs(object, context.previous)) return [];
  return kind.validate?.(object, context) ?? [];
}

/** What was let in under other settings must be able to go: its last finalizer is taken off by an update. */
function isLeavingAsItIs(object: KubeObject, previous: KubeObject | undefined): boolean {
  if (previous?.metadata.deletionTimestamp === undefined) return false;
  const { metadata: _new, ...now } = object;
  const { metadata: _old, ...before } = previous;
  return isDeepStrictEqual(now, before);
}
