import { Event } from '#api/core-v1/event.ts';
import { defineController } from '#reconcile/controller.ts';

/** As upstream's `--event-ttl`. */
const LIFE_MS = 60 * 60 * 1_000;

/** Lets each Event go an hour after it was last seen: each pod brings some, and nobody else ever deletes one. */
export const eventController = defineController<Event>({
  kind: Event,
  async reconcile(event, { client, clock }) {
    const leftMs = lastSeenMs(event) + LIFE_MS - clock.now().getTime();
    if (leftMs > 0) return { againAfterMs: leftMs };
    const { name = '', namespace = '', uid = '', resourceVersion = '' } = event.metadata;
    // The version too: one that is seen again at this moment stays.
    const preconditions = { uid, resourceVersion };
    await client.delete(Event, { namespace, name }, { preconditions });
    return {};
  },
});

/** The times in it are its writer's; the server's own is there always. */
function lastSeenMs({ metadata, lastTimestamp, series }: Event): number {
  const times = [metadata.creationTimestamp, lastTimestamp, series?.lastObservedTime];
  return Math.max(0, ...times.map((time) => Date.parse(time ?? '') || 0));
}
