import type { Kind, StoredAs } from '#api/kind.ts';
import { objectOf, storedText } from '#apiserver/stored-object.ts';
import type { Change, Entry, Store } from '#store/store.ts';

/**
 * The store as a kind sees it that is another view of a stored one: what is read is converted to it, what is written is
 * converted back. Keys, revisions and history are those of the store, so that both views are one set of objects.
 */
export function viewStore(store: Store, { storedAs }: { readonly storedAs: StoredAs }): Store {
  // An entry never changes, and neither does its view; both go together.
  const views = new WeakMap<Entry, Entry>();
  const viewOf = (entry: Entry): Entry => {
    let view = views.get(entry);
    if (!view) {
      const object = storedAs.fromStored(structuredClone(objectOf(entry)));
      view = { ...entry, value: storedText(object) };
      views.set(entry, view);
    }
    return view;
  };
  const storedOf = (value: string): string =>
    // Written by a verb, which has just brought it into the view's shape.
    storedText(storedAs.toStored(JSON.parse(value) as Parameters<StoredAs['toStored']>[0]));
  return {
    get revision() {
      return store.revision;
    },
    async get(key) {
      const entry = await store.get(key);
      return entry && viewOf(entry);
    },
    async list(prefix, page) {
      const listing = await store.list(prefix, page);
      return { ...listing, entries: listing.entries.map(viewOf) };
    },
    create: async (key, value) => viewOf(await store.create(key, storedOf(value))),
    update: async (key, value, expected) =>
      viewOf(await store.update(key, storedOf(value), expected)),
    delete: (key, expected) => store.delete(key, expected),
    async *watch(prefix, after, signal) {
      for await (const change of store.watch(prefix, after, signal)) yield viewOfChange(change);
    },
    compact: (upTo) => store.compact(upTo),
    // The store has another owner.
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };

  function viewOfChange(change: Change): Change {
    if (change.type === 'delete') return { ...change, entry: viewOf(change.entry) };
    const { previous } = change;
    return {
      ...change,
      entry: viewOf(change.entry),
      ...(previous && { previous: viewOf(previous) }),
    };
  }
}

export function isView(kind: Kind): kind is Kind & { readonly storedAs: StoredAs } {
  return kind.storedAs !== undefined;
}
