import type { Event as Generated } from '#api/generated/core-v1.ts';
import { defineCoreKind, type FieldError } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { required, wrongValue } from '#api/meta/field-error.ts';

export type Event = Generated;
export const Event = defineCoreKind<Event>({
  group: '',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  scope: 'Namespaced',
  definition: 'io.k8s.api.core.v1.Event',
  shortNames: ['ev'],
  validate: (event) => [
    ...placeErrors(event, { path: 'involvedObject', about: event.involvedObject?.namespace }),
    ...(event.eventTime ? recordedErrors(event, 'reportingComponent') : []),
  ],
});

/** What Kubernetes demands of Events as newer clients record them, which are those with an `eventTime`. */
export function recordedErrors(event: Event, controllerField: string): FieldError[] {
  const { message = '' } = event;
  return [
    ...wordErrors(controllerField, event.reportingComponent),
    ...wordErrors('reportingInstance', event.reportingInstance),
    ...wordErrors('action', event.action),
    ...wordErrors('reason', event.reason),
    ...(message.length > MESSAGE_LENGTH_MAX
      ? [wrongValue('message', '', `can have at most ${MESSAGE_LENGTH_MAX} characters`)]
      : []),
  ];
}

const WORD_LENGTH_MAX = 128;
const MESSAGE_LENGTH_MAX = 1024;

function wordErrors(path: string, value: string | undefined): FieldError[] {
  if (!value) return [required(path)];
  return value.length <= WORD_LENGTH_MAX
    ? []
    : [wrongValue(path, '', `can have at most ${WORD_LENGTH_MAX} characters`)];
}

/** An Event is where its object is; about what has no namespace it is in `default`, so that nobody tells of others' objects. */
export function placeErrors(
  { metadata }: KubeObject,
  { path, about = '' }: { readonly path: string; readonly about: string | undefined },
): FieldError[] {
  const isRight = about === '' ? metadata.namespace === 'default' : metadata.namespace === about;
  return isRight ? [] : [wrongValue(`${path}.namespace`, about, 'does not match event.namespace')];
}
