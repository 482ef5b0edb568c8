import type { WebhookConversion } from '#api/generated/apiextensions-v1.ts';
import { apiVersionOf, type Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { refuseLarge } from '#apiserver/admission/admit.ts';
import { walkSchema } from '#apiserver/admission/schema-walk.ts';
import type { Converter } from '#apiserver/custom-resources/webhook-conversion.ts';
import { objectOf, storedText } from '#apiserver/stored-object.ts';
import type { Change, Entry, Store } from '#store/store.ts';

/*
 * Custom resources are stored in one version and read in any: here, between the verbs and the store, so that a verb knows
 * one version alone. What is read is also brought to what the schema says now: fields that it lost meanwhile are pruned,
 * defaults that it gained are filled in.
 */

/** `store` as requests about `kind` see it. Its watches end when the kind is withdrawn. */
export function convertedStore(store: Store, kind: Kind, convert: Converter): Store {
  const { custom } = kind;
  if (!custom) return store;
  const { conversion, storageVersion } = custom;
  const storedAs = `${kind.group}/${storageVersion}`;
  const view = (entry: Entry): Entry => viewOf(entry, kind);
  const prepare = async (entries: readonly Entry[]): Promise<void> => {
    if (conversion) await learn(entries, { kind, conversion, convert });
  };
  const viewOne = async (entry: Entry): Promise<Entry> => {
    await prepare([entry]);
    return view(entry);
  };
  const stored = async (value: string): Promise<string> => {
    if (!conversion || isIn(value, storedAs)) return inVersion(value, storedAs);
    const [object] = await convert([value], { conversion, apiVersion: storedAs });
    const text = object ? storedText(object) : value;
    refuseLarge(text);
    return text;
  };
  return {
    get revision() {
      return store.revision;
    },
    async get(key) {
      const entry = await store.get(key);
      return entry && (await viewOne(entry));
    },
    async list(prefix, page) {
      const listing = await store.list(prefix, page);
      await prepare(listing.entries);
      return { ...listing, entries: listing.entries.map(view) };
    },
    create: async (key, value) => await viewOne(await store.create(key, await stored(value))),
    update: async (key, value, expected) =>
      await viewOne(await store.update(key, await stored(value), expected)),
    delete: (key, expected) => store.delete(key, expected),
    async *watch(prefix, after, signal) {
      const ended = AbortSignal.any([signal, custom.withdrawn]);
      for await (const change of store.watch(prefix, after, ended)) {
        if (conversion) await prepare(entriesOf(change));
        yield changeOf(change, view);
      }
    },
    compact: (upTo) => store.compact(upTo),
    // Whoever made the store disposes of it.
    async [Symbol.asyncDispose]() {},
  };
}

// By identity: an entry never changes, and a definition that changes makes new kinds.
const views = new WeakMap<Entry, WeakMap<Kind, Entry>>();

function viewOf(entry: Entry, kind: Kind): Entry {
  const known = viewsOf(entry);
  let found = known.get(kind);
  if (!found) known.set(kind, (found = shaped(entry, structuredClone(objectOf(entry)), kind)));
  return found;
}

function viewsOf(entry: Entry): WeakMap<Kind, Entry> {
  let known = views.get(entry);
  if (!known) views.set(entry, (known = new WeakMap()));
  return known;
}

/** Asks, all at once, what those entries are in the version of `kind` that are of another and not known yet. */
async function learn(
  entries: readonly Entry[],
  { kind, conversion, convert }: { kind: Kind; conversion: WebhookConversion; convert: Converter },
): Promise<void> {
  const apiVersion = apiVersionOf(kind);
  const unknown = entries.filter(
    (entry) => !isIn(entry.value, apiVersion) && !viewsOf(entry).has(kind),
  );
  if (unknown.length === 0) return;
  const texts = unknown.map(({ value }) => value);
  const objects = await convert(texts, { conversion, apiVersion });
  for (const [index, entry] of unknown.entries()) {
    const object = objects[index];
    if (object) viewsOf(entry).set(kind, shaped(entry, object, kind));
  }
}

/** `entry` with what it is in the version of `kind`, whose schema is applied to `object` in place. */
function shaped(entry: Entry, object: KubeObject, kind: Kind): Entry {
  const { apiVersion: _, kind: __, metadata, ...body } = object;
  walkSchema(kind.schema, body);
  const shape: KubeObject = { apiVersion: apiVersionOf(kind), kind: kind.kind, metadata, ...body };
  const value = storedText(shape);
  return value === entry.value ? entry : { ...entry, value };
}

function entriesOf(change: Change): readonly Entry[] {
  const previous = change.type === 'put' ? change.previous : undefined;
  return previous ? [previous, change.entry] : [change.entry];
}

function changeOf(change: Change, view: (entry: Entry) => Entry): Change {
  if (change.type === 'delete') return { ...change, entry: view(change.entry) };
  const { previous } = change;
  return { ...change, entry: view(change.entry), ...(previous && { previous: view(previous) }) };
}

/** Stored text begins with its apiVersion. */
function isIn(value: string, apiVersion: string): boolean {
  return value.startsWith(`{"apiVersion":${JSON.stringify(apiVersion)}`);
}

function inVersion(value: string, apiVersion: string): string {
  return value.replace(
    /^\{"apiVersion":"[^"]*"/,
    () => `{"apiVersion":${JSON.stringify(apiVersion)}`,
  );
}
