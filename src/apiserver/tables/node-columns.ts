import type { Event } from '#api/core-v1/event.ts';
import { Event as EventV1 } from '#api/events-v1/event.ts';
import type { Node } from '#api/core-v1/node.ts';
import { ageOf } from '#apiserver/tables/age.ts';
import {
  ageColumn,
  column,
  nameColumn,
  orNone,
  wideColumn,
  type CellsOf,
} from '#apiserver/tables/column.ts';

const ROLE_LABEL = 'node-role.kubernetes.io/';

export const nodeColumns: CellsOf<Node> = [
  nameColumn,
  column('Status', nodeStatus),
  column('Roles', ({ metadata }) => {
    const keys = Object.keys(metadata.labels ?? {}).filter((key) => key.startsWith(ROLE_LABEL));
    return orNone(
      keys
        .map((key) => key.slice(ROLE_LABEL.length))
        .toSorted()
        .join(','),
    );
  }),
  ageColumn,
  column('Version', ({ status }) => status?.nodeInfo?.kubeletVersion ?? ''),
  wideColumn('Internal-IP', (node) => addressOf(node, 'InternalIP')),
  wideColumn('External-IP', (node) => addressOf(node, 'ExternalIP')),
  wideColumn('OS-Image', ({ status }) => orUnknown(status?.nodeInfo?.osImage)),
  wideColumn('Kernel-Version', ({ status }) => orUnknown(status?.nodeInfo?.kernelVersion)),
  wideColumn('Container-Runtime', ({ status }) =>
    orUnknown(status?.nodeInfo?.containerRuntimeVersion),
  ),
];

export const eventColumns: CellsOf<Event> = [
  column('Last Seen', (event, now) => ageOf(lastSeen(event), now)),
  column('Type', ({ type }) => type ?? ''),
  column('Reason', ({ reason }) => reason ?? ''),
  column(
    'Object',
    ({ involvedObject: { kind = '', name = '' } }) => `${kind.toLowerCase()}/${name}`,
  ),
  wideColumn('Subobject', ({ involvedObject }) => involvedObject.fieldPath ?? ''),
  wideColumn('Source', ({ source, reportingComponent }) => {
    const component = source?.component ?? reportingComponent ?? '';
    return [component, source?.host].filter(Boolean).join(', ');
  }),
  column('Message', ({ message }) => (message ?? '').trim()),
  wideColumn('First Seen', ({ firstTimestamp, eventTime, metadata }, now) =>
    ageOf(firstTimestamp ?? eventTime ?? metadata.creationTimestamp, now),
  ),
  wideColumn('Count', ({ count, series }) => String(series?.count ?? count ?? 1)),
  { ...nameColumn, priority: 1 },
];

/** The same cells for the same object, whatever group it is asked for in. */
export const eventV1Columns: CellsOf<EventV1> = eventColumns.map((one) => ({
  ...one,
  // The view of an Event in its own group goes back to a core Event.
  cell: (event: EventV1, now: Date) => one.cell(EventV1.storedAs?.toStored(event) as Event, now),
}));

function lastSeen({ series, lastTimestamp, firstTimestamp, eventTime }: Event): string | undefined {
  return series?.lastObservedTime ?? lastTimestamp ?? firstTimestamp ?? eventTime;
}

function nodeStatus({ spec, status }: Node): string {
  const ready = status?.conditions?.find(({ type }) => type === 'Ready');
  const words = [ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown'];
  if (spec?.unschedulable) words.push('SchedulingDisabled');
  return words.join(',');
}

function addressOf({ status }: Node, type: string): string {
  return orNone(status?.addresses?.find((address) => address.type === type)?.address);
}

function orUnknown(text: string | undefined): string {
  return text ? text : '<unknown>';
}
