import type { KubeObject } from '#api/meta/object-meta.ts';
import { appliedFields } from '#apiserver/apply/applied-fields.ts';
import { compare } from '#apiserver/apply/compare.ts';
import { difference, type FieldSet } from '#apiserver/apply/field-set.ts';
import { ownedPart, type Part } from '#apiserver/apply/owned-part.ts';
import { isFields, type Fields, type Place } from '#apiserver/apply/shape.ts';

/** Where `kubectl apply` without --server-side keeps what it applied. */
const LAST_APPLIED = 'kubectl.kubernetes.io/last-applied-configuration';
/** The manager that `kubectl apply --server-side` is unless told otherwise. */
const KUBECTL = 'kubectl';

/**
 * The fields that kubectl itself set, by a client-side apply, and nobody has changed since: an apply by kubectl's server-side
 * manager takes them over without conflict. None for other managers.
 */
export function clientAppliedFields(
  place: Place,
  live: KubeObject | undefined,
  { manager, part }: { readonly manager: string; readonly part: Part },
): FieldSet | undefined {
  const text = live?.metadata.annotations?.[LAST_APPLIED];
  const last = manager === KUBECTL && text !== undefined ? parseObject(text) : undefined;
  if (!live || !last) return undefined;
  const configuration = ownedPart(last, part);
  const { changed, removed } = compare(place, configuration, ownedPart(live, part));
  const fields = appliedFields(place, configuration, { errors: [] });
  return difference(difference(fields, changed), removed);
}

/** Keeps the annotation, where there is one, up with what kubectl applies, so that both its ways can be mixed. */
export function withLastApplied(
  object: Fields,
  { manager, configuration }: { readonly manager: string; readonly configuration: KubeObject },
): Fields {
  const metadata = object['metadata'];
  const annotations = isFields(metadata) ? metadata['annotations'] : undefined;
  if (manager !== KUBECTL || !isFields(metadata) || !isFields(annotations)) return object;
  if (annotations[LAST_APPLIED] === undefined) return object;
  const { annotations: given, ...rest } = configuration.metadata;
  const { [LAST_APPLIED]: _itself, ...others } = given ?? {};
  const hasOthers = Object.keys(others).length > 0;
  const applied = { ...rest, ...(hasOthers && { annotations: others }) };
  const text = `${JSON.stringify({ ...configuration, metadata: applied })}\n`;
  return {
    ...object,
    metadata: { ...metadata, annotations: { ...annotations, [LAST_APPLIED]: text } },
  };
}

/** Anybody may write an annotation: what is no object in it says nothing. */
function parseObject(text: string): KubeObject | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    return undefined;
  }
  return isFields(value) && isFields(value['metadata'])
    ? ({ apiVersion: '', kind: '', ...value, metadata: value['metadata'] } as KubeObject)
    : undefined;
}
