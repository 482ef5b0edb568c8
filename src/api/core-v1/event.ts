import type { Event as Generated } from '#api/generated/core-v1.ts';
import { defineCoreKind, type FieldError } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { wrongValue } from '#api/meta/field-error.ts';

export type Event = Generated;
export const Event = defineCoreKind<Event>({
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  scope: 'Namespaced',
  definition: 'io.k8s.api.core.v1.Event',
  shortNames: ['ev'],
  validate: (event) =>
    placeErrors(event, { path: 'involvedObject', about: event.involvedObject?.namespace }),
});

/** An Event is where its object is; about what has no namespace it is in `default`, so that nobody tells of others' objects. */
export function placeErrors(
  { metadata }: KubeObject,
  { path, about = '' }: { readonly path: string; readonly about: string | undefined },
): FieldError[] {
  const isRight = about === '' ? metadata.namespace === 'default' : metadata.namespace === about;
  return isRight ? [] : [wrongValue(`${path}.namespace`, about, 'does not match event.namespace')];
}
