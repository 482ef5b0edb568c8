import type { KubeObject, ObjectMeta, OwnerReference } from '#api/meta/object-meta.ts';

type Fields = Readonly<Record<string, unknown>>;

/**
 * `current` with what `desired` says put over it; `current` itself where that changes nothing. The status is left alone,
 * and of the metadata only labels, annotations, owner references and finalizers count.
 *
 * - A field that `desired` leaves out or has as undefined keeps what it holds: a server's default, or somebody else's.
 * - A field that `desired` has as null is removed.
 * - An array is taken whole, unless it is as long as the current one and each element holds what is wanted of it.
 * - An empty array or object is satisfied by an absent one, since servers drop them.
 */
export function overlayObject<T extends KubeObject>(current: T, desired: T): T {
  const { metadata, apiVersion: _a, kind: _k, ...rest } = desired;
  const { status: _, ...content } = rest as Fields;
  const next = overlay(current, content) as T;
  const meta = overlayMetadata(current.metadata, metadata);
  return meta === current.metadata ? next : { ...next, metadata: meta };
}

/** True where `a` and `b` say the same, an absent field being the same as an undefined, null or empty one. */
export function isSameContent(a: unknown, b: unknown): boolean {
  return holds(a, b) && holds(b, a);
}

function overlayMetadata(current: ObjectMeta, desired: ObjectMeta): ObjectMeta {
  const { labels, annotations, ownerReferences, finalizers } = desired;
  const next = overlay(current, {
    labels,
    annotations,
    ownerReferences: unite(current.ownerReferences, ownerReferences, sameOwner),
    finalizers: unite(current.finalizers, finalizers, (a, b) => a === b),
  });
  return next as ObjectMeta;
}

function sameOwner(a: OwnerReference, b: OwnerReference): boolean {
  return a.uid === b.uid;
}

/** Others may have added theirs: what is wanted must be there, not be alone. */
function unite<T>(
  current: readonly T[] | undefined,
  desired: readonly T[] | undefined,
  isSame: (a: T, b: T) => boolean,
): readonly T[] | undefined {
  if (!desired || !current) return desired;
  const kept = current.filter((a) => !desired.some((b) => isSame(a, b)));
  const merged = current.map((a) => desired.find((b) => isSame(a, b)) ?? a);
  const added = desired.filter((b) => !current.some((a) => isSame(a, b)));
  return kept.length === 0 && added.length === 0 ? desired : [...merged, ...added];
}

function overlay(current: unknown, desired: unknown): unknown {
  if (holds(current, desired)) return current;
  if (!isFields(desired) || !isFields(current)) return withoutNulls(desired);
  const next: Record<string, unknown> = { ...current };
  for (const [name, value] of Object.entries(desired)) {
    if (value === undefined) continue;
    if (value === null) delete next[name];
    else next[name] = overlay(own(current, name), value);
  }
  return next;
}

/** Whether `current` holds all that `desired` says. */
function holds(current: unknown, desired: unknown): boolean {
  if (desired === undefined) return true;
  if (desired === null) return current === undefined || current === null;
  if (Array.isArray(desired)) {
    if (!Array.isArray(current)) return desired.length === 0 && isAbsent(current);
    return (
      desired.length === current.length && desired.every((value, at) => holds(current[at], value))
    );
  }
  if (isFields(desired)) {
    if (!isFields(current)) {
      return isAbsent(current) && Object.values(desired).every((value) => isAbsent(value));
    }
    return Object.entries(desired).every(([name, value]) => holds(own(current, name), value));
  }
  return Object.is(current, desired);
}

function own(fields: Fields, name: string): unknown {
  return Object.hasOwn(fields, name) ? fields[name] : undefined;
}

function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function withoutNulls(value: unknown): unknown {
  if (!isFields(value)) return value;
  const kept = Object.entries(value).filter(([, part]) => part !== null && part !== undefined);
  return Object.fromEntries(kept.map(([name, part]) => [name, withoutNulls(part)]));
}
