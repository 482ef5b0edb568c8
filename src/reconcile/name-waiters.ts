import { resourceOf, type Kind } from '#api/kind.ts';
import type { Ref } from '#client/client.ts';
import type { Key } from '#reconcile/controller.ts';
import type { Awaited } from '#reconcile/name-taken.ts';

/** Who waits for which object, each for one at most. */
export class NameWaiters {
  readonly #awaitedBy = new Map<string, string>();
  readonly #waiting = new Map<string, Map<string, Key>>();

  /** `key` waits for `awaited` from now on, and for nothing else; for nothing where there is none. */
  set(key: Key, awaited: Awaited | undefined): void {
    const id = idOf(key);
    const before = this.#awaitedBy.get(id);
    if (before !== undefined) {
      const others = this.#waiting.get(before);
      others?.delete(id);
      if (others?.size === 0) this.#waiting.delete(before);
      this.#awaitedBy.delete(id);
    }
    if (!awaited) return;
    const what = idOfObject(awaited.kind, awaited.ref);
    this.#awaitedBy.set(id, what);
    const waiting = this.#waiting.get(what) ?? new Map<string, Key>();
    this.#waiting.set(what, waiting.set(id, key));
  }

  of(kind: Kind, ref: Ref): readonly Key[] {
    if (this.#waiting.size === 0) return [];
    return [...(this.#waiting.get(idOfObject(kind, ref))?.values() ?? [])];
  }
}

function idOf({ namespace, name }: Key): string {
  return `${namespace}/${name}`;
}

function idOfObject(kind: Kind, { namespace = '', name }: Ref): string {
  return `${resourceOf(kind)}/${namespace}/${name}`;
}
