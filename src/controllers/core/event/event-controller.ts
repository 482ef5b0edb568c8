import { Event } from '#api/core-v1/event.ts';
import { defineController } from '#reconcile/controller.ts';

/** Kubernetes' own: events are news, and an hour later nobody asks. */
const LIFETIME_MS = 3_600_000;

/** Removes events that have not been seen again for an hour. */
export const eventController = defineController<Event>({
  kind: Event,
  async reconcile(event, { client, clock }) {
    const leftMs = lastSeenMs(event) + LIFETIME_MS - clock.now().getTime();
    if (leftMs > 0) return { againAfterMs: leftMs };
    const { namespace = '', name = '', uid = '', resourceVersion = '' } = event.metadata;
    // With the version that was read: one that is just being counted up stays.
    await client.delete(Event, { namespace, name }, { preconditions: { uid, resourceVersion } });
    return {};
  },
});

function lastSeenMs({ metadata, lastTimestamp, eventTime, series }: Event): number {
  const times = [metadata.creationTimestamp, lastTimestamp, eventTime, series?.lastObservedTime];
  return Math.max(...times.map((time) => Date.parse(time ?? '') || 0));
}
