import { apiVersionOf, type Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { walkSchema } from '#apiserver/admission/schema-walk.ts';
import { objectOf, storedText } from '#apiserver/stored-object.ts';
import type { Change, Entry, Store } from '#store/store.ts';

/*
 * Custom resources are stored in one version and read in any: here, between the verbs and the store, so that a verb knows
 * one version alone. What is read is also brought to what the schema says now: fields that it lost meanwhile are pruned,
 * defaults that it gained are filled in.
 */

/** `store` as requests about `kind` see it. Its watches end when the kind is withdrawn. */
export function convertedStore(store: Store, kind: Kind): Store {
  const { custom } = kind;
  if (!custom) return store;
  const view = (entry: Entry): Entry => viewOf(entry, kind);
  const stored = (value: string): string =>
    inVersion(value, `${kind.group}/${custom.storageVersion}`);
  return {
    get revision() {
      return store.revision;
    },
    async get(key) {
      const entry = await store.get(key);
      return entry && view(entry);
    },
    async list(prefix, page) {
      const listing = await store.list(prefix, page);
      return { ...listing, entries: listing.entries.map(view) };
    },
    create: async (key, value) => view(await store.create(key, stored(value))),
    update: async (key, value, expected) => view(await store.update(key, stored(value), expected)),
    delete: (key, expected) => store.delete(key, expected),
    async *watch(prefix, after, signal) {
      const ended = AbortSignal.any([signal, custom.withdrawn]);
      for await (const change of store.watch(prefix, after, ended)) yield changeOf(change, view);
    },
    compact: (upTo) => store.compact(upTo),
    // Whoever made the store disposes of it.
    async [Symbol.asyncDispose]() {},
  };
}

// By identity: an entry never changes, and a definition that changes makes new kinds.
const views = new WeakMap<Entry, WeakMap<Kind, Entry>>();

function viewOf(entry: Entry, kind: Kind): Entry {
  let ofEntry = views.get(entry);
  if (!ofEntry) views.set(entry, (ofEntry = new WeakMap()));
  let found = ofEntry.get(kind);
  if (!found) ofEntry.set(kind, (found = convert(entry, kind)));
  return found;
}

function convert(entry: Entry, kind: Kind): Entry {
  const { apiVersion: _, kind: __, metadata, ...body } = structuredClone(objectOf(entry));
  walkSchema(kind.schema, body);
  const object: KubeObject = { apiVersion: apiVersionOf(kind), kind: kind.kind, metadata, ...body };
  const value = storedText(object);
  return value === entry.value ? entry : { ...entry, value };
}

function changeOf(change: Change, view: (entry: Entry) => Entry): Change {
  if (change.type === 'delete') return { ...change, entry: view(change.entry) };
  const { previous } = change;
  return { ...change, entry: view(change.entry), ...(previous && { previous: view(previous) }) };
}

/** Stored text begins with its apiVersion. */
function inVersion(value: string, apiVersion: string): string {
  return value.replace(
    /^\{"apiVersion":"[^"]*"/,
    () => `{"apiVersion":${JSON.stringify(apiVersion)}`,
  );
}
