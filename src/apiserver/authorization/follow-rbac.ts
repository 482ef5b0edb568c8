import { backoffMs } from '#base/backoff.ts';
import { sleep, type Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { RbacObject, RbacObjects } from '#apiserver/authorization/rbac-objects.ts';
import type { Store } from '#store/store.ts';

const RETRY = { firstMs: 10, maxMs: 1000 };

export interface FollowRbacOptions {
  readonly store: Store;
  /** For each RBAC kind's name, the prefix of its objects' keys in the store. */
  readonly prefixes: Readonly<Record<RbacObject['kind'], string>>;
  readonly clock: Clock;
  readonly log: Log;
  /** Ends the following. */
  readonly signal: AbortSignal;
}

/**
 * Keeps `objects` equal to what the store holds until `signal` is aborted. Resolves when all of it has been read once:
 * before that no decision may be asked for. A watch that breaks off is taken up by listing anew.
 */
export async function followRbac(objects: RbacObjects, options: FollowRbacOptions): Promise<void> {
  await Promise.all(
    Object.entries(options.prefixes).map(async ([kind, prefix]) => {
      const at = await relist(objects, kind, prefix, options);
      void watch(objects, kind, { prefix, at }, options);
    }),
  );
}

type Position = Awaited<ReturnType<typeof relist>>;

async function relist(
  objects: RbacObjects,
  kind: string,
  prefix: string,
  { store }: FollowRbacOptions,
): Promise<Store['revision']> {
  const { entries, at } = await store.list(prefix);
  // Cleared and filled without a pause between, so no decision sees a part of it.
  objects.clear(kind);
  for (const entry of entries) objects.put(parse(entry.value));
  return at;
}

async function watch(
  objects: RbacObjects,
  kind: string,
  start: { readonly prefix: string; readonly at: Position },
  options: FollowRbacOptions,
): Promise<void> {
  const { store, signal, clock, log } = options;
  let { at } = start;
  for (let attempt = 0; !signal.aborted;) {
    try {
      if (attempt > 0) {
        await sleep(clock, backoffMs(RETRY, attempt), signal);
        at = await relist(objects, kind, start.prefix, options);
      }
      for await (const change of store.watch(start.prefix, at, signal)) {
        attempt = 0;
        if (change.type === 'put') objects.put(parse(change.entry.value));
        else objects.remove(parse(change.entry.value));
      }
    } catch (error) {
      if (!signal.aborted) log.warn('reading RBAC objects anew', { kind, error });
    }
    attempt += 1;
  }
}

/** The server wrote the entry after it had validated it as an object of this kind. */
function parse(value: string): RbacObject {
  return JSON.parse(value) as RbacObject;
}
