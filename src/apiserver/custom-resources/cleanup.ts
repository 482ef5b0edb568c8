import type { Clock } from '#base/clock.ts';
import {
  CLEANUP_FINALIZER,
  type CustomResourceDefinition,
} from '#api/apiextensions-v1/custom-resource-definition.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { isTrue, setCondition } from '#apiserver/custom-resources/names-accepted.ts';
import { isFinished } from '#apiserver/deletion.ts';
import { objectOf, storedText } from '#apiserver/stored-object.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import { StaleRevision, type Entry, type Store } from '#store/store.ts';

interface Cleanup {
  readonly store: Store;
  readonly clock: Clock;
  readonly signal: AbortSignal;
}

/** Deletes every object of a definition that is being deleted, waits for those with finalizers, then lets it go. */
export async function removeInstances(entry: Entry, cleanup: Cleanup): Promise<void> {
  const { store, signal } = cleanup;
  const { spec, status } = objectOf<CustomResourceDefinition>(entry);
  // Without its names it never had objects: those under them are another's.
  const prefix = `/registry/${spec.group}/${spec.names.plural}/`;
  await say(entry.key, cleanup, {
    status: 'True',
    reason: 'InstanceDeletionInProgress',
    message: 'CustomResource deletion is in progress',
  });
  while (isTrue(status?.conditions, 'Established')) {
    const { entries, at } = await store.list(prefix);
    if (entries.length === 0) break;
    for (const one of entries) await removeOne(one, cleanup);
    const left = await store.list(prefix, { limit: 1 });
    if (left.entries.length === 0) break;
    // Whoever holds one with a finalizer lets it go by a write.
    for await (const change of store.watch(prefix, at, signal)) {
      if (change.type === 'delete') break;
    }
    signal.throwIfAborted();
  }
  await say(entry.key, cleanup, {
    status: 'False',
    reason: 'InstanceDeletionCompleted',
    message: 'removed all instances',
  });
}

async function removeOne(entry: Entry, { store, clock }: Cleanup): Promise<void> {
  const object: KubeObject = structuredClone(objectOf(entry));
  object.metadata.deletionTimestamp ??= timestamp(clock.now());
  object.metadata.deletionGracePeriodSeconds ??= 0;
  try {
    if (isFinished(object)) await store.delete(entry.key, entry.modified);
    else if (storedText(object) !== entry.value) {
      await store.update(entry.key, storedText(object), entry.modified);
    }
  } catch (error) {
    // Changed meanwhile: the next look at the list sees it.
    if (!(error instanceof StaleRevision)) throw error;
  }
}

/** Writes the Terminating condition, with the end of the cleanup also the end of the definition. */
async function say(
  key: string,
  { store, clock, signal }: Cleanup,
  condition: { status: 'True' | 'False'; reason: string; message: string },
): Promise<void> {
  for (;;) {
    const entry = await store.get(key);
    if (!entry) return;
    const definition = structuredClone(objectOf<CustomResourceDefinition>(entry));
    const conditions = definition.status?.conditions ?? [];
    setCondition(conditions, timestamp(clock.now()), { type: 'Terminating', ...condition });
    definition.status = { ...definition.status, conditions };
    if (condition.status === 'False') {
      const { finalizers = [] } = definition.metadata;
      definition.metadata.finalizers = finalizers.filter((name) => name !== CLEANUP_FINALIZER);
    }
    try {
      if (isFinished(definition)) await store.delete(key, entry.modified);
      else await store.update(key, storedText(definition), entry.modified);
      return;
    } catch (error) {
      if (!(error instanceof StaleRevision)) throw error;
      signal.throwIfAborted();
    }
  }
}
