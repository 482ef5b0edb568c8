import { dereference } from '#api/definitions.ts';
import type { Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import type { Schema } from '#api/schema.ts';
import type { Fields, Place } from '#apiserver/apply/shape.ts';
import type { ResourceRequest } from '#apiserver/resource-request.ts';

/**
 * What a request is about: the status alone, all but the status where that has a path of its own, or everything; of a pod,
 * the ephemeral containers alone.
 */
export type Part = 'all but status' | 'status' | 'ephemeral containers' | 'everything';

/** Whom these belong to is not asked: they say what the object is, or are the server's. */
const UNOWNED_METADATA = new Set([
  'name',
  'namespace',
  'creationTimestamp',
  'selfLink',
  'uid',
  'generation',
  'managedFields',
  'resourceVersion',
]);
const METADATA: Schema = { $ref: 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' };

/** The fields of an object that somebody can own, by writing to this part of it; its metadata is there, if empty. */
export function ownedPart(object: KubeObject, part: Part): Fields {
  const { apiVersion: _apiVersion, kind: _kind, metadata, ...rest } = object;
  const { status, ...wishes } = rest as { readonly status?: unknown };
  if (part === 'status') return status === undefined ? {} : { status };
  if (part === 'ephemeral containers') return { spec: ephemeralPart(object) };
  const owned = Object.entries(metadata).filter(([name]) => !UNOWNED_METADATA.has(name));
  return { metadata: Object.fromEntries(owned), ...(part === 'everything' ? rest : wishes) };
}

type WithSpec = KubeObject & { readonly spec?: { readonly ephemeralContainers?: unknown } };

/** Of a pod's spec what the path `ephemeralcontainers` is about. */
export function ephemeralPart({ spec }: WithSpec): Fields {
  const { ephemeralContainers } = spec ?? {};
  return ephemeralContainers === undefined ? {} : { ephemeralContainers };
}

const places = new WeakMap<Kind, Place>();

/** The schema of whole objects of a kind. */
export function placeOfKind(kind: Kind): Place {
  let place = places.get(kind);
  if (!place) {
    const { properties } = dereference(kind.schema);
    const schema: Schema = { type: 'object', properties: { ...properties, metadata: METADATA } };
    place = { schema, isCore: kind.schema.$ref !== undefined };
    places.set(kind, place);
  }
  return place;
}

/** What a write to this path may change. */
export function partOf({ kind, subresource }: Pick<ResourceRequest, 'kind' | 'subresource'>): Part {
  if (subresource === 'status') return 'status';
  if (subresource === 'ephemeralcontainers') return 'ephemeral containers';
  return kind.subresources.includes('status') ? 'all but status' : 'everything';
}
