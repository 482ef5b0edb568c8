import { Event } from '#api/core-v1/event.ts';
import { apiVersionOf, resourceOf, type Kind } from '#api/kind.ts';
import type { KubeObject, OwnerReference } from '#api/meta/object-meta.ts';
import { hasReason } from '#api/meta/api-error.ts';
import { oneVersionOf, type ServedKinds } from '#api/served-kinds.ts';
import type { Ref } from '#client/client.ts';
import type { ObjectChange } from '#client/object-cache.ts';
import {
  FOREGROUND,
  ORPHAN,
  verdict,
  type OwnerState,
} from '#controllers/core/garbage-collector/owner-state.ts';
import { attempted } from '#reconcile/attempt.ts';
import { meterOf, type LoopContext, type LoopStarter } from '#reconcile/loop.ts';
import { WorkQueue, type Result } from '#reconcile/work-queue.ts';

/** An object to look at; another one of its name is not meant. */
interface Item {
  readonly kind: Kind;
  readonly ref: Ref;
  readonly uid: string;
}

const CONCURRENCY = 8;

/**
 * Deletes what no owner wants any more, of all `kinds`: an object goes when every owner its references name is gone. It
 * also ends foreground deletions (the owner goes after those that block it) and orphanings (their references are cut).
 * That an owner is gone is asked of the server before anything is deleted. Owners of kinds it does not know count as
 * there; Events have no owners and are not looked at.
 */
export function garbageCollector(kinds: ServedKinds): LoopStarter {
  const looked = lookedOf(kinds);
  return {
    kinds: looked(),
    start(context) {
      const log = context.log.with({ controller: 'garbage-collector' });
      const world: World = {
        get kinds() {
          return looked();
        },
        context,
      };
      const queue = new WorkQueue<Item>({
        clock: context.clock,
        signal: context.signal,
        concurrency: CONCURRENCY,
        idOf: ({ uid }) => uid,
        ...meterOf(context, 'garbage-collector'),
        work: (item, attempt) => {
          const about = { resource: resourceOf(item.kind), ...item.ref };
          return attempted(() => collect(item, world), {
            log: log.with(about),
            signal: context.signal,
            attempt,
          });
        },
      });
      // Kinds come and go with their definitions; each has its informer as long as it is there.
      const followed = new Map<string, Kind>();
      const follow = (): void => {
        const current = new Map(looked().map((kind) => [nameOf(kind), kind]));
        for (const [name, kind] of followed) {
          if (current.has(name)) continue;
          followed.delete(name);
          void context.informers.stop(kind);
        }
        for (const [name, kind] of current) {
          const isKnown = followed.has(name);
          followed.set(name, kind);
          if (isKnown) continue;
          context.informers.of(kind).onChange((change) => {
            for (const item of concerned(kind, { change, world })) queue.add(item);
          });
        }
      };
      follow();
      const following = kinds.onChange(follow);
      context.signal.addEventListener('abort', () => following[Symbol.dispose](), { once: true });
      return {
        queue,
        enqueueAll() {
          for (const kind of looked()) {
            for (const object of context.informers.of(kind).list()) queue.add(itemOf(kind, object));
          }
        },
      };
    },
  };
}

/** Asked for every change, and another only when a definition comes or goes. */
function lookedOf(kinds: ServedKinds): () => readonly Kind[] {
  let all: readonly Kind[] = [];
  let looked: readonly Kind[] = [];
  return () => {
    if (kinds.current() === all) return looked;
    all = kinds.current();
    looked = oneVersionOf(all).filter(
      ({ kind, group }) => kind !== Event.kind || group !== Event.group,
    );
    return looked;
  };
}

/** By its kind and version; a definition that changes makes new kinds of the same name. */
function nameOf(kind: Kind): string {
  return `${apiVersionOf(kind)} ${kind.kind}`;
}

interface World {
  readonly kinds: readonly Kind[];
  readonly context: LoopContext;
}

/** Whom a change may set free: the object itself, those that depend on it, and owners that wait for it. */
function concerned(
  kind: Kind,
  { change, world }: { change: ObjectChange<KubeObject>; world: World },
): readonly Item[] {
  const { previous, current } = change;
  const items = current ? [itemOf(kind, current)] : [];
  const isGoing = current?.metadata.deletionTimestamp !== undefined;
  const object = current ?? previous;
  const dependents = (!current || isGoing) && object ? dependentsOf(object, world) : [];
  const owners = (previous?.metadata.ownerReferences ?? []).flatMap((reference) => {
    const owner = ownerKind(reference, world);
    const found = owner && ownerInMemory(reference, { kind: owner, of: previous, world });
    const isWaiting = found?.metadata.deletionTimestamp !== undefined;
    return owner && found && isWaiting ? [itemOf(owner, found)] : [];
  });
  return [...items, ...dependents.map((one) => one.item), ...owners];
}

interface Dependent {
  readonly item: Item;
  readonly object: KubeObject;
}

function dependentsOf({ metadata }: KubeObject, { kinds, context }: World): readonly Dependent[] {
  const { uid = '' } = metadata;
  return kinds.flatMap((kind) =>
    context.informers
      .of(kind)
      .ownedBy(uid)
      .map((object) => ({ item: itemOf(kind, object), object })),
  );
}

async function collect(item: Item, world: World): Promise<Result> {
  const { context } = world;
  const object = await context.client.get(item.kind, item.ref);
  if (object?.metadata.uid !== item.uid) return {};
  if (object.metadata.deletionTimestamp !== undefined) {
    await endDeletion(item, { object, world });
    return {};
  }
  const owners = object.metadata.ownerReferences ?? [];
  if (owners.length === 0) return {};
  const states = await Promise.all(owners.map((owner) => stateOf(owner, { object, world })));
  const { finalizers } = object.metadata;
  const decided = verdict(owners, { states, finalizers });
  if (decided.action === 'drop-references') {
    await dropReferences(item, { object, world, uids: decided.uids });
  }
  if (decided.action === 'delete') {
    await remove(item, { object, world, policy: decided.policy });
  }
  return {};
}

interface Looked {
  readonly object: KubeObject;
  readonly world: World;
}

/** Takes off the finalizer that this collector answers for, once what it stands for is done. */
async function endDeletion(item: Item, { object, world }: Looked): Promise<void> {
  const { finalizers = [], uid = '' } = object.metadata;
  const dependents = dependentsOf(object, world);
  if (finalizers.includes(ORPHAN)) {
    for (const one of dependents) {
      await dropReferences(one.item, { object: one.object, world, uids: [uid] });
    }
    await removeFinalizer(item, { object, world, finalizer: ORPHAN });
    return;
  }
  if (!finalizers.includes(FOREGROUND)) return;
  // Those that do not block go in the background, when the owner has.
  const isBlocked = dependents.some((one) =>
    one.object.metadata.ownerReferences?.some(
      (owner) => owner.uid === uid && owner.blockOwnerDeletion,
    ),
  );
  if (!isBlocked) await removeFinalizer(item, { object, world, finalizer: FOREGROUND });
}

async function stateOf(reference: OwnerReference, { object, world }: Looked): Promise<OwnerState> {
  const kind = ownerKind(reference, world);
  if (!kind) return 'unknown';
  // A namespaced owner of a cluster-scoped object cannot exist; a mistake is no reason to delete.
  if (kind.scope === 'Namespaced' && object.metadata.namespace === undefined) return 'unknown';
  const found =
    ownerInMemory(reference, { kind, of: object, world }) ??
    (await ownerOnServer(reference, { kind, of: object, world }));
  if (!found) return 'gone';
  const { deletionTimestamp, finalizers } = found.metadata;
  return deletionTimestamp !== undefined && finalizers?.includes(FOREGROUND) ? 'waiting' : 'there';
}

/** Any version of a kind is the same objects. */
function ownerKind(reference: OwnerReference, { kinds }: World): Kind | undefined {
  const isVersioned = (kind: Kind): boolean => apiVersionOf(kind) === reference.apiVersion;
  const group = reference.apiVersion.includes('/') ? reference.apiVersion.split('/')[0] : '';
  const named = kinds.filter((kind) => kind.kind === reference.kind && kind.group === group);
  return named.find(isVersioned) ?? named[0];
}

interface OwnerOf {
  readonly kind: Kind;
  readonly of: KubeObject | undefined;
  readonly world: World;
}

function ownerInMemory(
  reference: OwnerReference,
  { kind, of, world }: OwnerOf,
): KubeObject | undefined {
  const found = world.context.informers.of(kind).get(ownerRef(reference, { kind, of }));
  return found?.metadata.uid === reference.uid ? found : undefined;
}

async function ownerOnServer(
  reference: OwnerReference,
  { kind, of, world }: OwnerOf,
): Promise<KubeObject | undefined> {
  const found = await world.context.live.get(kind, ownerRef(reference, { kind, of }));
  return found?.metadata.uid === reference.uid ? found : undefined;
}

function ownerRef({ name }: OwnerReference, { kind, of }: Pick<OwnerOf, 'kind' | 'of'>): Ref {
  const namespace = kind.scope === 'Namespaced' ? of?.metadata.namespace : undefined;
  return namespace === undefined ? { name } : { namespace, name };
}

async function remove(
  { kind, ref, uid }: Item,
  { object, world, policy }: Looked & { policy: 'Foreground' | 'Background' | 'Orphan' },
): Promise<void> {
  const { resourceVersion = '' } = object.metadata;
  // The version too: whoever gives it an owner at this moment keeps it.
  const preconditions = { uid, resourceVersion };
  await world.context.client.delete(kind, ref, { propagationPolicy: policy, preconditions });
}

async function dropReferences(
  { kind, ref }: Item,
  { object, world, uids }: Looked & { uids: readonly string[] },
): Promise<void> {
  const { resourceVersion, ownerReferences = [] } = object.metadata;
  const rest = ownerReferences.filter(({ uid }) => !uids.includes(uid));
  await patchMetadata(
    { kind, ref },
    { world, metadata: { resourceVersion, ownerReferences: rest } },
  );
}

async function removeFinalizer(
  { kind, ref }: Item,
  { object, world, finalizer }: Looked & { finalizer: string },
): Promise<void> {
  const { resourceVersion, finalizers = [] } = object.metadata;
  const rest = finalizers.filter((name) => name !== finalizer);
  await patchMetadata({ kind, ref }, { world, metadata: { resourceVersion, finalizers: rest } });
}

/** An object that is gone meanwhile needs no patch. */
async function patchMetadata(
  { kind, ref }: Omit<Item, 'uid'>,
  { world, metadata }: { world: World; metadata: object },
): Promise<void> {
  try {
    await world.context.client.patch(kind, ref, { metadata }, { type: 'merge' });
  } catch (error) {
    if (!hasReason(error, 'NotFound')) throw error;
  }
}

function itemOf(kind: Kind, { metadata }: KubeObject): Item {
  const { name = '', namespace, uid = '' } = metadata;
  return { kind, ref: namespace === undefined ? { name } : { namespace, name }, uid };
}
