import { createHash } from 'node:crypto';
import { timestamp } from '#api/meta/timestamp.ts';
import { Event } from '#api/core-v1/event.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import type { Context } from '#reconcile/controller.ts';

export interface EventText {
  readonly type: 'Normal' | 'Warning';
  /** One word in CamelCase: `ScalingReplicaSet`. */
  readonly reason: string;
  readonly message: string;
  /** Who says so: `deployment-controller`. */
  readonly component: string;
  /** Where that runs, if it is a machine's own. */
  readonly host?: string;
  /** The part of the object that is meant: `spec.containers{main}`. */
  readonly fieldPath?: string;
}

/**
 * Writes an Event about `object`, as `kubectl describe` shows it; the same text about the same object again counts up the
 * one there is. Never fails: an event is a courtesy, and the work it tells of is done. Its failure is logged.
 */
export async function recordEvent(
  { client, clock, log }: Pick<Context, 'client' | 'clock' | 'log'>,
  object: KubeObject,
  text: EventText,
): Promise<void> {
  const namespace = object.metadata.namespace ?? 'default';
  const name = eventName(object, text);
  const now = timestamp(clock.now());
  try {
    const known = await client.get(Event, { namespace, name });
    if (known) {
      const patch = { count: (known.count ?? 1) + 1, lastTimestamp: now };
      await client.patch(Event, { namespace, name }, patch, { type: 'merge' });
    } else {
      await client.create(Event, newEvent(object, text, { namespace, name, now }));
    }
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    log.warn('event: cannot be written', { event: text.reason, error });
  }
}

function newEvent(
  object: KubeObject,
  { type, reason, message, component, host, fieldPath }: EventText,
  { namespace, name, now }: { namespace: string; name: string; now: string },
): Event {
  const { name: about, namespace: within, uid, resourceVersion } = object.metadata;
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name, namespace },
    involvedObject: {
      apiVersion: object.apiVersion,
      kind: object.kind,
      ...(about !== undefined && { name: about }),
      ...(within !== undefined && { namespace: within }),
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
      ...(fieldPath !== undefined && { fieldPath }),
    },
    type,
    reason,
    message: message.slice(0, MESSAGE_LENGTH_MAX),
    source: { component, ...(host !== undefined && { host }) },
    reportingComponent: component,
    reportingInstance: host ?? '',
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
  };
}

/** What the server takes. */
const MESSAGE_LENGTH_MAX = 1024;

/** The same for the same text about the same object, so that counting needs no memory of ours. */
function eventName(object: KubeObject, { type, reason, message, ...by }: EventText): string {
  const { name = '', uid = '' } = object.metadata;
  const source = [by.component, by.host, by.fieldPath].filter((each) => each !== undefined);
  const about = [uid, object.kind, type, reason, message, ...source].join('\0');
  const hash = createHash('sha256').update(about).digest('hex').slice(0, 16);
  return `${name.slice(0, 230)}.${hash}`;
}
