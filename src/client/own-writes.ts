import type { KubeObject } from '#api/meta/object-meta.ts';
import type { Informer } from '#client/informer.ts';
import { isLater } from '#client/resource-version.ts';

/** Longer than a watch is ever behind when it works; when it does not, the server is asked. */
const WAIT_MS = 5_000;

interface Pending {
  /** Of the latest write. */
  resourceVersion: string;
  /** By uid, objects that are going, whose end no version tells. */
  readonly going: Map<string, Going>;
}

interface Going {
  readonly object: KubeObject;
  /** Whether this state of the object, which is still there, shows what was written. */
  isShownBy(now: KubeObject): boolean;
}

/** What one process wrote and its informers have yet to show. */
export class OwnWrites {
  readonly #pending = new WeakMap<object, Pending>();

  wrote<T extends KubeObject>(informer: Informer<T>, object: T): void {
    const { deletionTimestamp, finalizers, resourceVersion = '', uid = '' } = object.metadata;
    const pending = this.#of(informer);
    if (deletionTimestamp !== undefined && !finalizers?.length) {
      // Taking off the last finalizer may have deleted it; then no event need come that has this version.
      const isShownBy = ({ metadata }: KubeObject): boolean =>
        !metadata.finalizers?.length && !isLater(resourceVersion, metadata.resourceVersion ?? '');
      pending.going.set(uid, { object, isShownBy });
      return;
    }
    if (isLater(resourceVersion, pending.resourceVersion))
      pending.resourceVersion = resourceVersion;
  }

  /** A delete of `object`, as it was known before, has been accepted; finalizers and a grace may keep it for a while. */
  deleted<T extends KubeObject>(informer: Informer<T>, object: T): void {
    const isShownBy = ({ metadata }: KubeObject): boolean =>
      metadata.deletionTimestamp !== undefined;
    this.#of(informer).going.set(object.metadata.uid ?? '', { object, isShownBy });
  }

  /** Resolves with true once `informer` shows every write before this call; with false where it does not in time. */
  async areSeenBy<T extends KubeObject>(informer: Informer<T>): Promise<boolean> {
    const { resourceVersion, going } = this.#of(informer);
    const awaited = [...going];
    return await informer.until(() => {
      if (!informer.isSynced || isLater(resourceVersion, informer.resourceVersion ?? ''))
        return false;
      return awaited.every(([uid, one]) => {
        const isShown = isShownIn(informer, one);
        if (isShown && going.get(uid) === one) going.delete(uid);
        return isShown;
      });
    }, WAIT_MS);
  }

  #of(informer: object): Pending {
    const known = this.#pending.get(informer);
    if (known) return known;
    const pending: Pending = { resourceVersion: '', going: new Map() };
    this.#pending.set(informer, pending);
    return pending;
  }
}

function isShownIn<T extends KubeObject>(informer: Informer<T>, going: Going): boolean {
  const { name = '', namespace, uid } = going.object.metadata;
  const now = informer.get(namespace === undefined ? { name } : { namespace, name });
  return now === undefined || now.metadata.uid !== uid || going.isShownBy(now);
}
