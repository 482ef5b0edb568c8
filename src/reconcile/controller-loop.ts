import type { Log } from '#base/log.ts';
import { resourceOf, type Kind } from '#api/kind.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { controllerOf, type KubeObject } from '#api/meta/object-meta.ts';
import type { ObjectChange } from '#client/object-cache.ts';
import { attempted } from '#reconcile/attempt.ts';
import {
  keyOf,
  refOf,
  type AnyController,
  type Context,
  type Key,
  type Known,
} from '#reconcile/controller.ts';
import { meterOf, type Loop, type LoopContext } from '#reconcile/loop.ts';
import { NameTaken } from '#reconcile/name-taken.ts';
import { NameWaiters } from '#reconcile/name-waiters.ts';
import { ToldFailure } from '#reconcile/told-failure.ts';
import { publishFailure, publishStatus } from '#reconcile/publish-status.ts';
import { recordEvent } from '#reconcile/record-event.ts';
import { WorkQueue, type Result } from '#reconcile/work-queue.ts';

const CONCURRENCY = 4;

/** Calls one controller at the right times. All informers are synced. */
export function startControllerLoop(controller: AnyController, context: LoopContext): Loop {
  const { kind } = controller;
  const log = context.log.with({ controller: resourceOf(kind) });
  const waiters = new NameWaiters();
  const add = (key: Key): void => queue.add(key);
  const queue = new WorkQueue<Key>({
    clock: context.clock,
    signal: context.signal,
    concurrency: controller.concurrency ?? CONCURRENCY,
    idOf,
    ...meterOf(context, resourceOf(kind)),
    work: (key, attempt) => {
      const bound: Context = { ...context, log: log.with({ ...key }) };
      return attempted(() => reconcileKey(controller, { key, context: bound, waiters, add }), {
        log: bound.log,
        signal: context.signal,
        attempt,
        ...(!controller.isSilent && {
          onFailure: (error) => publishFailure(kind, { key, context: bound, error }),
        }),
      });
    },
  });
  enqueueOnChanges(controller, { context, log, add, waiters });
  const enqueueAll = (): void => {
    for (const object of context.informers.of(kind).list()) queue.add(keyOf(object));
  };
  for (const trigger of controller.triggers ?? []) {
    trigger((key) => queue.add(key), context.signal, enqueueAll);
  }
  return { queue, enqueueAll };
}

interface Enqueue {
  readonly context: LoopContext;
  readonly log: Log;
  readonly add: (key: Key) => void;
  readonly waiters: NameWaiters;
}

function enqueueOnChanges(
  { kind, owns = [], watches = [] }: AnyController,
  { context: { informers }, log, add, waiters }: Enqueue,
): void {
  const known: Known = {
    get: (of, ref) => informers.running(of)?.get(ref),
    list: (of, namespace) => informers.running(of)?.list(namespace) ?? [],
  };
  informers.of(kind).onChange((change) => {
    const object = change.current ?? change.previous;
    if (object) add(keyOf(object));
  });
  for (const owned of owns) {
    informers.of(owned).onChange((change) => {
      for (const key of concernedBy(change, (object) => ownerKeys(object, kind))) add(key);
      const object = change.current ?? change.previous;
      if (object) for (const key of waiters.of(owned, refOf(keyOf(object)))) add(key);
    });
  }
  for (const { kind: watched, keysOf } of watches) {
    informers.of(watched).onChange((change) => {
      try {
        // A watch's kind and its function were put together by on(), which the type forgets.
        for (const key of concernedBy(change, (object) => keysOf(object as never, known))) add(key);
      } catch (error) {
        log.error('reconcile: a bug in a watch', { watched: resourceOf(watched), error });
      }
    });
  }
}

/** The keys, each once, that an object names as it was and as it is: a change concerns both. */
function concernedBy<T>(
  { previous, current }: ObjectChange<T>,
  keysOf: (object: T) => readonly Key[],
): Iterable<Key> {
  const keys = [...(previous ? keysOf(previous) : []), ...(current ? keysOf(current) : [])];
  return new Map(keys.map((key) => [idOf(key), key])).values();
}

function idOf({ namespace, name }: Key): string {
  return `${namespace}/${name}`;
}

function ownerKeys(object: KubeObject, kind: Kind): readonly Key[] {
  const owner = controllerOf(object);
  if (owner?.kind !== kind.kind || groupOf(owner.apiVersion) !== kind.group) return [];
  const namespace = kind.scope === 'Namespaced' ? (object.metadata.namespace ?? '') : '';
  return [{ namespace, name: owner.name }];
}

function groupOf(apiVersion: string): string {
  return apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : '';
}

async function reconcileKey(
  controller: AnyController,
  {
    key,
    context,
    waiters,
    add,
  }: Pick<Enqueue, 'waiters' | 'add'> & { readonly key: Key; readonly context: Context },
): Promise<Result> {
  const { kind, finalizer } = controller;
  const object = await context.client.get(kind, refOf(key));
  waiters.set(key, undefined);
  if (!object) {
    controller.forget?.(key);
    return {};
  }
  if (object.metadata.deletionTimestamp !== undefined) {
    if (finalizer) return finalize(controller, { object, context });
    if (!controller.reconcilesDeleting) return {};
  }
  const ready = finalizer ? await withFinalizer(controller, { object, context }) : object;
  // The machinery holds controllers of every kind; this object is of this one's.
  const outcome = await controller.reconcile(ready as never, context);
  const about = { object: ready, context, reason: 'UpdateFailed', what: 'status' };
  await told(kind, about, () =>
    publishStatus(kind, { object: ready, context, status: outcome.status }),
  );
  const { failure, awaits = failure instanceof NameTaken ? failure : undefined } = outcome;
  waiters.set(key, awaits);
  // Gone while it was being looked at: nobody would tell.
  if (awaits && !(await context.client.get(awaits.kind, awaits.ref))) add(key);
  if (failure) throw failure;
  return outcome.againAfterMs === undefined ? {} : { againAfterMs: outcome.againAfterMs };
}

/** Writes; a failure is told as upstream's reconcilers tell it, but for a lost race (serving specification §1.1). */
async function told<T>(
  kind: Kind,
  { object, context, reason, what }: At & { readonly reason: string; readonly what: string },
  write: () => Promise<T>,
): Promise<T> {
  try {
    return await write();
  } catch (error) {
    const isTold = kind.conditions && error instanceof ApiError && error.reason !== 'Conflict';
    if (!isTold) throw error;
    const message = `Failed to update ${what} for "${object.metadata.name}": ${error.message}`;
    const component = `${kind.kind.toLowerCase()}-controller`;
    await recordEvent(context, object, { type: 'Warning', reason, message, component });
    throw new ToldFailure(error);
  }
}

interface At {
  readonly object: KubeObject;
  readonly context: Context;
}

async function withFinalizer(
  { kind, finalizer }: AnyController,
  { object, context }: At,
): Promise<KubeObject> {
  const finalizers = object.metadata.finalizers ?? [];
  if (!finalizer || finalizers.includes(finalizer.name)) return object;
  return setFinalizers(kind, { object, context, finalizers: [...finalizers, finalizer.name] });
}

async function finalize(
  { kind, finalizer }: AnyController,
  { object, context }: At,
): Promise<Result> {
  const finalizers = object.metadata.finalizers ?? [];
  if (!finalizer || !finalizers.includes(finalizer.name)) return {};
  // As in reconcileKey: this object is of this controller's kind.
  const isDone = await finalizer.finalize(object as never, context);
  if (!isDone) return { againAfterMs: FINALIZE_AGAIN_MS };
  const rest = finalizers.filter((name) => name !== finalizer.name);
  await setFinalizers(kind, { object, context, finalizers: rest });
  return {};
}

/** A finalizer that waits is usually woken by a change; this is for what no watch shows. */
const FINALIZE_AGAIN_MS = 1_000;

/** With the version that was read, since others have finalizers too. */
async function setFinalizers(
  kind: Kind,
  { object, context, finalizers }: At & { readonly finalizers: readonly string[] },
): Promise<KubeObject> {
  const { resourceVersion, name } = object.metadata;
  const patch = { metadata: { resourceVersion, finalizers } };
  const about = { object, context, reason: 'FinalizerUpdateFailed', what: 'finalizers' };
  const patched = await told(kind, about, () =>
    context.client.patch(kind, refOf(keyOf(object)), patch, { type: 'merge' }),
  );
  if (kind.conditions) {
    // As upstream's reconcilers tell it (serving specification §1.1).
    const text = { reason: 'FinalizerUpdate', message: `Updated "${name}" finalizers` };
    const component = `${kind.kind.toLowerCase()}-controller`;
    await recordEvent(context, object, { type: 'Normal', component, ...text });
  }
  return patched;
}
