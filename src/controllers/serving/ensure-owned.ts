import type { Kind } from '#api/kind.ts';
import {
  controllerReference,
  isOwnedBy,
  type KubeObject,
  type ObjectMeta,
} from '#api/meta/object-meta.ts';
import type { Client } from '#client/client.ts';
import { isSameContent } from '#client/overlay.ts';

interface Specified extends KubeObject {
  readonly spec?: unknown;
}

export interface Ensured<T> {
  readonly object: T;
  readonly isNew: boolean;
}

/**
 * Makes a child hold exactly the labels, annotations and spec that its owner gives it: what is no longer wanted goes.
 * For kinds of our own, whose every field the owner decides; where servers fill in defaults, `client.apply` fits.
 * Undefined where the name is taken by an object that `owner` does not control; nothing is written then.
 */
export async function ensureOwned<T extends Specified>(
  client: Client,
  kind: Kind<T>,
  { owner, desired }: { readonly owner: KubeObject; readonly desired: T },
): Promise<Ensured<T> | undefined> {
  const { name = '', namespace = '' } = desired.metadata;
  const current = await client.get(kind, { namespace, name });
  if (!current) {
    const metadata = { ...desired.metadata, ownerReferences: [controllerReference(owner)] };
    return { object: await client.create(kind, { ...desired, metadata }), isNew: true };
  }
  if (!isOwnedBy(current, owner)) return undefined;
  if (isAsDesired(current, desired)) return { object: current, isNew: false };
  const { labels = {}, annotations = {} } = desired.metadata;
  const metadata = { ...current.metadata, labels, annotations };
  const next = { ...current, metadata, spec: desired.spec };
  return { object: await client.update(kind, next), isNew: false };
}

function isAsDesired(current: Specified, desired: Specified): boolean {
  return (
    isSameContent(current.spec, desired.spec) &&
    isSameContent(current.metadata.labels, desired.metadata.labels) &&
    isSameContent(current.metadata.annotations, desired.metadata.annotations)
  );
}

/** `keys` of a record left out. */
export function without(
  record: Readonly<Record<string, string>> | undefined,
  keys: readonly string[],
): Record<string, string> {
  return Object.fromEntries(Object.entries(record ?? {}).filter(([key]) => !keys.includes(key)));
}

/** Where an object is, as far as a child in the same namespace needs it. */
export function placeOf({ name = '', namespace = '' }: ObjectMeta): {
  readonly name: string;
  readonly namespace: string;
} {
  return { name, namespace };
}
