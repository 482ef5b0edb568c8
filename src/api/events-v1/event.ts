import { Event as CoreEvent, placeErrors } from '#api/core-v1/event.ts';
import type { Event as Generated } from '#api/generated/events-v1.ts';
import { defineCoreKind, type FieldError } from '#api/kind.ts';
import { required, wrongValue } from '#api/meta/field-error.ts';

/** The same objects as core/v1 Events, in the words that newer clients record them with. */
export type Event = Generated;
export const Event = defineCoreKind<Event>({
  group: 'events.k8s.io',
  version: 'v1',
  kind: 'Event',
  plural: 'events',
  scope: 'Namespaced',
  definition: 'io.k8s.api.events.v1.Event',
  shortNames: ['ev'],
  storedAs: {
    kind: CoreEvent,
    // The view-store hands in objects of the two kinds named here.
    toStored: (object) => toCore(object as Event),
    fromStored: (object) => fromCore(object as CoreEvent),
  },
  validate(event, { operation }) {
    // What was recorded as a core Event lacks these, and may still be counted up here.
    if (operation === 'UPDATE') return [];
    return [
      ...placeErrors(event, { path: 'involvedObject', about: event.regarding?.namespace }),
      ...(event.eventTime ? [] : [required('eventTime')]),
      ...wordErrors('reportingController', event.reportingController),
      ...wordErrors('reportingInstance', event.reportingInstance),
      ...wordErrors('action', event.action),
      ...wordErrors('reason', event.reason),
      ...(event.type === 'Normal' || event.type === 'Warning'
        ? []
        : [wrongValue('type', event.type ?? '', `has invalid value: ${event.type ?? ''}`)]),
    ];
  },
});

const WORD_LENGTH_MAX = 128;

function wordErrors(path: string, value: string | undefined): FieldError[] {
  if (!value) return [required(path)];
  return value.length <= WORD_LENGTH_MAX
    ? []
    : [wrongValue(path, value, `can have at most ${WORD_LENGTH_MAX} characters`)];
}

function toCore(event: Event): CoreEvent {
  const {
    regarding,
    note,
    reportingController,
    deprecatedCount,
    deprecatedFirstTimestamp,
    deprecatedLastTimestamp,
    deprecatedSource,
    eventTime,
    ...same
  } = event;
  return {
    ...same,
    apiVersion: 'v1',
    involvedObject: regarding ?? {},
    ...(note !== undefined && { message: note }),
    ...(reportingController !== undefined && { reportingComponent: reportingController }),
    ...(deprecatedCount !== undefined && { count: deprecatedCount }),
    ...(deprecatedFirstTimestamp && { firstTimestamp: deprecatedFirstTimestamp }),
    ...(deprecatedLastTimestamp && { lastTimestamp: deprecatedLastTimestamp }),
    ...(deprecatedSource && { source: deprecatedSource }),
    ...(eventTime && { eventTime }),
  };
}

function fromCore(event: CoreEvent): Event {
  const {
    involvedObject,
    message,
    reportingComponent,
    count,
    firstTimestamp,
    lastTimestamp,
    source,
    eventTime,
    ...same
  } = event;
  return {
    ...same,
    apiVersion: 'events.k8s.io/v1',
    regarding: involvedObject,
    ...(message !== undefined && { note: message }),
    ...(reportingComponent && { reportingController: reportingComponent }),
    ...(count !== undefined && { deprecatedCount: count }),
    ...(firstTimestamp && { deprecatedFirstTimestamp: firstTimestamp }),
    ...(lastTimestamp && { deprecatedLastTimestamp: lastTimestamp }),
    ...(source && { deprecatedSource: source }),
    ...(eventTime && { eventTime }),
  } as Event; // An Event recorded through core/v1 has no eventTime, which the type asks for.
}
