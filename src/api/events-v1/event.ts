import { isDeepStrictEqual } from 'node:util';
import { Event as CoreEvent, placeErrors, recordedErrors } from '#api/core-v1/event.ts';
import type { Event as Generated } from '#api/generated/events-v1.ts';
import { defineCoreKind, type FieldError } from '#api/kind.ts';
import { immutableErrors, required, wrongValue } from '#api/meta/field-error.ts';

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
  // What is complained of has the names of core Events, as in Kubernetes.
  validate(event, { previous }) {
    const errors = event.eventTime ? recordedErrors(toCore(event), 'reportingController') : [];
    // What was recorded as a core Event may still be counted up here.
    if (previous) return [...errors, ...changeErrors(toCore(event), toCore(previous))];
    return [
      ...placeErrors(event, { path: 'involvedObject', about: event.regarding?.namespace }),
      ...errors,
      ...(event.eventTime ? [] : [required('eventTime')]),
      ...seriesErrors(event),
      ...OLDER_FIELDS.filter(({ isSet }) => isSet(event)).map(({ path }) =>
        wrongValue(path, '', 'needs to be unset'),
      ),
      ...(event.type === 'Normal' || event.type === 'Warning'
        ? []
        : [wrongValue('type', '', `has invalid value: ${event.type ?? ''}`)]),
    ];
  },
});

/** Of core Events, which newer clients leave empty. */
const OLDER_FIELDS: readonly { path: string; isSet: (event: Event) => boolean }[] = [
  { path: 'firstTimestamp', isSet: (event) => Boolean(event.deprecatedFirstTimestamp) },
  { path: 'lastTimestamp', isSet: (event) => Boolean(event.deprecatedLastTimestamp) },
  { path: 'count', isSet: (event) => Boolean(event.deprecatedCount) },
  {
    path: 'source',
    isSet: ({ deprecatedSource: { component, host } = {} }) => Boolean(component || host),
  },
];

function seriesErrors({ series }: Event): FieldError[] {
  if (!series) return [];
  return [
    ...(series.count < 2 ? [wrongValue('series.count', '', 'should be at least 2')] : []),
    ...(series.lastObservedTime ? [] : [required('series.lastObservedTime')]),
  ];
}

/** What was recorded stays; it may only be seen again. */
function changeErrors(event: CoreEvent, previous: CoreEvent): FieldError[] {
  const series = isDeepStrictEqual(event.series, previous.series)
    ? []
    : seriesErrors(fromCore(event));
  return [
    ...series,
    ...FIXED.flatMap((field) => immutableErrors(field, event[field], previous[field])),
  ];
}

const FIXED = [
  'involvedObject',
  'reason',
  'message',
  'firstTimestamp',
  'lastTimestamp',
  'count',
  'type',
  'action',
  'related',
  'reportingComponent',
  'reportingInstance',
] as const satisfies readonly (keyof CoreEvent)[];

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
