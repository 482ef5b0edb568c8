import type { Kind } from '#api/kind.ts';
import { ApiError } from '#api/meta/api-error.ts';
import {
  controllerReference,
  isOwnedBy,
  type KubeObject,
  type ObjectMeta,
} from '#api/meta/object-meta.ts';
import type { ServingSettings } from '#api/serving-config/config-maps.ts';
import type { Client } from '#client/client.ts';
import { isSameContent } from '#client/overlay.ts';
import type { Context } from '#reconcile/controller.ts';
import { NameTaken } from '#reconcile/name-taken.ts';
import { recordEvent } from '#reconcile/record-event.ts';
import { tried } from '#reconcile/told-failure.ts';

interface Specified extends KubeObject {
  readonly spec?: unknown;
}

interface Wanted<T> {
  readonly owner: KubeObject;
  readonly desired: T;
  readonly settings?: ServingSettings;
  /** Who tells of a new child, or why it could not be made, in an Event about the owner. */
  readonly teller?: Teller;
  /** What failures begin with, where that is not `failed to create` or `failed to update` and the kind. */
  readonly says?: Partial<Trials>;
}

export interface Teller {
  readonly context: Context;
  /** `route-controller` */
  readonly component: string;
  /** What a new child is called; by its kind and name unless told. */
  readonly called?: string;
  /** What it is called that could not be made, where that is not the same. */
  readonly unmade?: string;
  /** That there is a new child is told about itself; that it could not be made about its owner all the same. */
  readonly isAboutChild?: boolean;
}

interface Trials {
  readonly create: string;
  readonly update: string;
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
  { owner, desired, settings, teller, says }: Wanted<T>,
): Promise<T | undefined> {
  const { name = '', namespace = '' } = desired.metadata;
  const current = await client.get(kind, { namespace, name });
  const trials = {
    create: `failed to create ${kind.kind}`,
    update: `failed to update ${kind.kind}`,
    ...says,
  };
  if (!current) {
    const metadata = { ...desired.metadata, ownerReferences: [controllerReference(owner)] };
    const create = async (): Promise<T> => await client.create(kind, { ...desired, metadata });
    const called = `${kind.kind} "${name}"`;
    return await tried(trials.create, () =>
      teller ? toldCreation(create, { owner, teller: { called, ...teller } }) : create(),
    );
  }
  if (!isOwnedBy(current, owner)) return undefined;
  const asNow = (object: T): T =>
    settings ? defaulted(kind, { object, owner, settings }) : object;
  if (isAsDesired(asNow(current), asNow(desired))) return current;
  const { labels = {}, annotations = {} } = desired.metadata;
  const metadata = { ...current.metadata, labels, annotations };
  const next = { ...current, metadata, spec: desired.spec };
  return await tried(trials.update, () => client.update(kind, next));
}

/** Makes what the teller has a name for, and says in an Event, about the owner unless told, that it is there, or why not. */
export async function toldCreation<T extends KubeObject>(
  create: () => Promise<T>,
  {
    owner,
    teller: { context, component, called, unmade = called, isAboutChild = false },
  }: { readonly owner: KubeObject; readonly teller: Teller & { readonly called: string } },
): Promise<T> {
  try {
    const made = await create();
    const message = `Created ${called}`;
    const about = isAboutChild ? made : owner;
    await recordEvent(context, about, { type: 'Normal', reason: 'Created', message, component });
    return made;
  } catch (error) {
    // Somebody took the name since it was looked up: the next attempt sees whose it is.
    if (!(error instanceof ApiError) || error.reason === 'AlreadyExists') throw error;
    const message = `Failed to create ${unmade}: ${error.message}`;
    const failed = { type: 'Warning', reason: 'CreationFailed', message, component } as const;
    await recordEvent(context, owner, failed);
    throw error;
  }
}

/** What an owner fails with whose child's name is somebody else's; in upstream's words, which are not all spelled alike. */
export function doesNotOwn(
  { kind: ownerKind, metadata }: KubeObject,
  kind: Kind,
  {
    name,
    message = `${ownerKind.toLowerCase()}: "${metadata.name}" does not own ${kind.kind}: "${name}"`,
  }: { readonly name: string; readonly message?: string },
): NameTaken {
  return new NameTaken(message, { kind, ref: { namespace: metadata.namespace ?? '', name } });
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
