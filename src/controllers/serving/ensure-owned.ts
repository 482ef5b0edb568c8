import type { Kind } from '#api/kind.ts';
import {
  controllerReference,
  isOwnedBy,
  type KubeObject,
  type ObjectMeta,
} from '#api/meta/object-meta.ts';
import type { ServingSettings } from '#api/serving-config/config-maps.ts';
import type { Client } from '#client/client.ts';
import { isSameContent } from '#client/overlay.ts';

interface Specified extends KubeObject {
  readonly spec?: unknown;
}

interface Wanted<T> {
  readonly owner: KubeObject;
  readonly desired: T;
  readonly settings?: ServingSettings;
}

export interface Ensured<T> {
  readonly object: T;
  readonly isNew: boolean;
}

/**
 * Makes a child hold exactly the labels, annotations and spec that its owner gives it: what is no longer wanted goes.
 * For kinds of our own, whose every field the owner decides; where servers fill in defaults, `client.apply` fits. With
 * `settings` both are compared as their kind would default them now, so that new defaults alone write nothing.
 * Undefined where the name is taken by an object that `owner` does not control; nothing is written then.
 */
export async function ensureOwned<T extends Specified>(
  client: Client,
  kind: Kind<T>,
  { owner, desired, settings }: Wanted<T>,
): Promise<Ensured<T> | undefined> {
  const { name = '', namespace = '' } = desired.metadata;
  const current = await client.get(kind, { namespace, name });
  if (!current) {
    const metadata = { ...desired.metadata, ownerReferences: [controllerReference(owner)] };
    return { object: await client.create(kind, { ...desired, metadata }), isNew: true };
  }
  if (!isOwnedBy(current, owner)) return undefined;
  const asNow = (object: T): T =>
    settings ? defaulted(kind, { object, owner, settings }) : object;
  if (isAsDesired(asNow(current), asNow(desired))) return { object: current, isNew: false };
  const { labels = {}, annotations = {} } = desired.metadata;
  const metadata = { ...current.metadata, labels, annotations };
  const next = { ...current, metadata, spec: desired.spec };
  return { object: await client.update(kind, next), isNew: false };
}

function defaulted<T extends Specified>(
  kind: Kind<T>,
  {
    object,
    owner,
    settings,
  }: { readonly object: T; readonly owner: KubeObject; readonly settings: ServingSettings },
): T {
  const copy = structuredClone(object);
  // Whoever has an owner has no author, whose name would be filled in too.
  copy.metadata.ownerReferences = [controllerReference(owner)];
  kind.default?.(copy, { operation: 'UPDATE', username: '', serving: settings });
  return copy;
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
