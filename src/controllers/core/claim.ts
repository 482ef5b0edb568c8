import type { Kind } from '#api/kind.ts';
import {
  controllerOf,
  controllerReference,
  isOwnedBy,
  type KubeObject,
} from '#api/meta/object-meta.ts';
import { matchLabelSelector, type LabelSelector } from '#api/meta/selector.ts';
import type { Client } from '#client/client.ts';
import { keyOf, type Key, type Known } from '#reconcile/controller.ts';

/**
 * The objects of `kind` that belong to `owner`: those that have it as their controller and match its selector. One that
 * matches and has no controller is adopted; one that it controls and that matches no longer is released.
 */
export async function claim<T extends KubeObject>(
  client: Client,
  kind: Kind<T>,
  { owner, selector }: { owner: KubeObject; selector: LabelSelector },
): Promise<readonly T[]> {
  const { namespace = '' } = owner.metadata;
  const matches = matchLabelSelector(selector);
  const { items } = await client.list(kind, { namespace });
  const claimed: T[] = [];
  for (const object of items) {
    const isMatch = matches(object.metadata.labels);
    if (isOwnedBy(object, owner)) {
      if (isMatch) claimed.push(object);
      else await release(client, kind, { object, owner });
    } else if (isMatch && isOrphan(object)) {
      claimed.push(await adopt(client, kind, { object, owner }));
    }
  }
  return claimed;
}

function isOrphan(object: KubeObject): boolean {
  return !controllerOf(object) && object.metadata.deletionTimestamp === undefined;
}

interface Pair<T> {
  readonly object: T;
  readonly owner: KubeObject;
}

/** Both write with the version that was read: whoever else claims the object at this moment wins or loses whole. */
function adopt<T extends KubeObject>(
  client: Client,
  kind: Kind<T>,
  { object, owner }: Pair<T>,
): Promise<T> {
  const owners = [...(object.metadata.ownerReferences ?? []), controllerReference(owner)];
  return client.update(kind, withOwners(object, owners));
}

async function release<T extends KubeObject>(
  client: Client,
  kind: Kind<T>,
  { object, owner }: Pair<T>,
): Promise<void> {
  if (object.metadata.deletionTimestamp !== undefined) return;
  const owners = object.metadata.ownerReferences ?? [];
  const rest = owners.filter(({ uid }) => uid !== owner.metadata.uid);
  await client.update(kind, withOwners(object, rest));
}

function withOwners<T extends KubeObject>(
  object: T,
  ownerReferences: NonNullable<KubeObject['metadata']['ownerReferences']>,
): T {
  return { ...object, metadata: { ...object.metadata, ownerReferences } };
}

/** For a watch on what may be claimed: the owners of kind `owner` that would adopt an object without a controller. */
export function adoptersOf<O extends KubeObject>(
  owner: Kind<O>,
  selectorOf: (owner: O) => LabelSelector | undefined,
): (object: KubeObject, known: Known) => readonly Key[] {
  return (object, known) => {
    if (!isOrphan(object)) return [];
    const owners = known.list(owner, object.metadata.namespace);
    return owners
      .filter((candidate) => {
        const selector = selectorOf(candidate);
        return selector !== undefined && matchLabelSelector(selector)(object.metadata.labels);
      })
      .map((candidate) => keyOf(candidate));
  };
}
