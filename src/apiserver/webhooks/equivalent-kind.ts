import type { Kind } from '#api/kind.ts';
import { apiVersionOf } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import type { Converter } from '#apiserver/custom-resources/webhook-conversion.ts';
import { prefixOf, storedText } from '#apiserver/stored-object.ts';

/** The other versions and views in which objects of `kind` are served. */
export function equivalentsOf(kind: Kind, all: readonly Kind[]): readonly Kind[] {
  const prefix = prefixOf(kind, undefined);
  return all.filter((other) => other !== kind && prefixOf(other, undefined) === prefix);
}

/** `object` as it is in another kind that shows the same objects; what it is given stays as it is. Throws ApiError. */
export async function inKind(
  object: KubeObject,
  { from, to, convert }: { readonly from: Kind; readonly to: Kind; readonly convert: Converter },
): Promise<KubeObject> {
  const copy = structuredClone(object);
  const conversion = to.custom?.conversion;
  if (conversion) {
    const wish = { conversion, apiVersion: apiVersionOf(to) };
    const [converted = copy] = await convert([storedText(copy)], wish);
    const { resourceVersion } = object.metadata;
    if (resourceVersion !== undefined) converted.metadata.resourceVersion = resourceVersion;
    return converted;
  }
  if (to.custom) return { ...copy, apiVersion: apiVersionOf(to) };
  const stored = from.storedAs ? from.storedAs.toStored(copy) : copy;
  return to.storedAs ? to.storedAs.fromStored(stored) : stored;
}
