import type { KubeObject } from '#api/meta/object-meta.ts';
import type { Ref } from '#client/client.ts';

/** What happened to one object: appeared (no `previous`), changed, or is gone (no `current`). */
export type ObjectChange<T> =
  | { readonly previous?: undefined; readonly current: T }
  | { readonly previous: T; readonly current: T }
  | { readonly previous: T; readonly current?: undefined };

/** The objects of one kind by name, by namespace and by the uid of each owner. */
export class ObjectCache<T extends KubeObject> {
  readonly #objects = new Map<string, T>();
  readonly #byNamespace = new Map<string, Map<string, T>>();
  readonly #byOwner = new Map<string, Map<string, T>>();

  get(ref: Ref): T | undefined {
    return this.#objects.get(keyOf(ref));
  }

  list(namespace?: string): readonly T[] {
    const objects = namespace === undefined ? this.#objects : this.#byNamespace.get(namespace);
    return objects ? [...objects.values()] : [];
  }

  ownedBy(uid: string): readonly T[] {
    return [...(this.#byOwner.get(uid)?.values() ?? [])];
  }

  /** An object that replaced another of its name (the uid says so) is two changes: the old one went, the new one came. */
  set(current: T): readonly ObjectChange<T>[] {
    const previous = this.#objects.get(keyOf(current.metadata));
    if (!previous) {
      this.#add(current);
      return [{ current }];
    }
    this.#remove(previous);
    this.#add(current);
    if (previous.metadata.uid !== current.metadata.uid) return [{ previous }, { current }];
    if (previous.metadata.resourceVersion === current.metadata.resourceVersion) return [];
    return [{ previous, current }];
  }

  delete(last: T): readonly ObjectChange<T>[] {
    const previous = this.#objects.get(keyOf(last.metadata));
    if (!previous) return [];
    this.#remove(previous);
    return [{ previous: last.metadata.uid === previous.metadata.uid ? last : previous }];
  }

  /** Makes the cache hold `objects` alone. */
  replace(objects: readonly T[]): readonly ObjectChange<T>[] {
    const kept = new Set(objects.map((object) => keyOf(object.metadata)));
    const gone = [...this.#objects.values()].filter((object) => !kept.has(keyOf(object.metadata)));
    return [
      ...gone.flatMap((object) => this.delete(object)),
      ...objects.flatMap((object) => this.set(object)),
    ];
  }

  #add(object: T): void {
    const key = keyOf(object.metadata);
    this.#objects.set(key, object);
    put(this.#byNamespace, object.metadata.namespace ?? '', { key, object });
    for (const { uid } of object.metadata.ownerReferences ?? []) {
      put(this.#byOwner, uid, { key, object });
    }
  }

  #remove(object: T): void {
    const key = keyOf(object.metadata);
    this.#objects.delete(key);
    drop(this.#byNamespace, object.metadata.namespace ?? '', key);
    for (const { uid } of object.metadata.ownerReferences ?? []) drop(this.#byOwner, uid, key);
  }
}

type Index<T> = Map<string, Map<string, T>>;

function put<T>(index: Index<T>, value: string, { key, object }: { key: string; object: T }): void {
  const bucket = index.get(value);
  if (bucket) bucket.set(key, object);
  else index.set(value, new Map([[key, object]]));
}

function drop<T>(index: Index<T>, value: string, key: string): void {
  const bucket = index.get(value);
  bucket?.delete(key);
  if (bucket?.size === 0) index.delete(value);
}

function keyOf(ref: { readonly namespace?: string; readonly name?: string }): string {
  return `${ref.namespace ?? ''}/${ref.name ?? ''}`;
}
