import type { KubeObject } from '#api/meta/object-meta.ts';
import type { Informer } from '#client/informer.ts';
import { isLater } from '#client/resource-version.ts';

/** Longer than a watch is ever behind when it works; when it does not, the server is asked. */
const WAIT_MS = 5_000;

interface Pending {
  /** Of the latest write. */
  resourceVersion: string;
  /** Deleted, and not yet seen to be. */
  readonly deleted: Map<string, KubeObject>;
}

/** What one process wrote and its informers have yet to show. */
export class OwnWrites {
  readonly #pending = new WeakMap<object, Pending>();

  wrote<T extends KubeObject>(informer: Informer<T>, object: T): void {
    const { deletionTimestamp, finalizers, resourceVersion = '' } = object.metadata;
    // The write that takes the last finalizer off deletes; no event with this object's version need come.
    if (deletionTimestamp !== undefined && !finalizers?.length) {
      this.deleted(informer, object);
      return;
    }
    const pending = this.#of(informer);
    if (isLater(resourceVersion, pending.resourceVersion))
      pending.resourceVersion = resourceVersion;
  }

  /** A delete of `object`, as it was known before, has been accepted. */
  deleted<T extends KubeObject>(informer: Informer<T>, object: T): void {
    this.#of(informer).deleted.set(object.metadata.uid ?? '', object);
  }

  /** Resolves with true once `informer` shows every write before this call; with false where it does not in time. */
  async areSeenBy<T extends KubeObject>(informer: Informer<T>): Promise<boolean> {
    const { resourceVersion, deleted } = this.#of(informer);
    const uids = [...deleted.keys()];
    return await informer.until(
      () =>
        informer.isSynced &&
        !isLater(resourceVersion, informer.resourceVersion ?? '') &&
        uids.every((uid) => isSeenDeleted(informer, { uid, deleted })),
      WAIT_MS,
    );
  }

  #of(informer: object): Pending {
    const known = this.#pending.get(informer);
    if (known) return known;
    const pending: Pending = { resourceVersion: '', deleted: new Map() };
    this.#pending.set(informer, pending);
    return pending;
  }
}

/** Forgets the delete once it shows: the object is gone, replaced, or waiting for its finalizers or its grace to end. */
function isSeenDeleted<T extends KubeObject>(
  informer: Informer<T>,
  { uid, deleted }: { uid: string; deleted: Map<string, KubeObject> },
): boolean {
  const object = deleted.get(uid);
  if (!object) return true;
  const { name = '', namespace } = object.metadata;
  const now = informer.get(namespace === undefined ? { name } : { namespace, name });
  const isGone = now?.metadata.uid !== uid || now.metadata.deletionTimestamp !== undefined;
  if (isGone) deleted.delete(uid);
  return isGone;
}
