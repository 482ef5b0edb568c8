import type { Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import type { Entry, Revision } from '#store/store.ts';

/*
 * Objects are stored as JSON text that begins with apiVersion, kind and metadata and lacks only the resourceVersion, which
 * is not known before the commit. Reading splices it in, so that a get, a list and a watch event never parse anything.
 */

/** `/registry/core/pods/default/hello`; cluster-scoped kinds have no namespace segment. */
export function keyOf(kind: Kind, namespace: string | undefined, name: string): string {
  return `${prefixOf(kind, namespace)}${name}`;
}

/** Of every object of a kind, or of those in one namespace. */
export function prefixOf(kind: Kind, namespace: string | undefined): string {
  const { group, plural } = kind.storedAs?.kind ?? kind;
  const base = `/registry/${group || 'core'}/${plural}/`;
  return kind.scope === 'Namespaced' && namespace ? `${base}${namespace}/` : base;
}

export function storedText(object: KubeObject): string {
  const { apiVersion, kind, metadata, ...rest } = object;
  const { resourceVersion: _, ...stored } = metadata;
  return JSON.stringify({ apiVersion, kind, metadata: stored, ...rest });
}

const METADATA = '"metadata":{';

/** The object's JSON as clients see it; `revision` is another than the entry's own where a delete is told. */
export function wireText(entry: Entry, revision: Revision = entry.modified): string {
  const at = entry.value.indexOf(METADATA) + METADATA.length;
  const separator = entry.value[at] === '}' ? '' : ',';
  return `${entry.value.slice(0, at)}"resourceVersion":"${revision}"${separator}${entry.value.slice(at)}`;
}

// A memo by identity: an entry never changes, and what nobody holds any more is collected with it.
const parsed = new WeakMap<Entry, KubeObject>();

/** The object of an entry, parsed once; shared, so it must not be changed: clone it first. */
export function objectOf<T extends KubeObject = KubeObject>(entry: Entry): T {
  let object = parsed.get(entry);
  if (!object) {
    object = JSON.parse(entry.value) as T;
    object.metadata.resourceVersion = String(entry.modified);
    parsed.set(entry, object);
  }
  return object as T;
}

/** The same object with the resourceVersion its delete had. */
export function objectAt(entry: Entry, revision: Revision): KubeObject {
  const object = objectOf(entry);
  return {
    ...object,
    metadata: { ...object.metadata, resourceVersion: String(revision) },
  };
}
