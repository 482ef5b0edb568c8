import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { Kind, StatusOf } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import type { Client, Ref } from '#client/client.ts';
import type { Awaited } from '#reconcile/name-taken.ts';

export interface Context {
  /** Reads kinds that any controller of this process watches from memory, and sees this process's own writes. */
  readonly client: Client;
  /** Reads the server, never memory: for the few decisions that an old read would make wrong for good. */
  readonly live: Client;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Aborted when the process stops or loses its lead. */
  readonly signal: AbortSignal;
}

/** What a reconcile concluded. */
export interface Outcome<Status> {
  /** Published by the machinery, and only where it differs. Absent: leave the status alone. */
  readonly status?: Status;
  /** When to look again without being told. */
  readonly againAfterMs?: number;
  /**
   * What kept the reconcile from its end. The status is published, then this counts as if it had been thrown. After a
   * NameTaken of a kind that this controller owns it is looked at again as soon as that object changes or goes.
   */
  readonly failure?: Error;
  /** An object of a kind that this controller owns, though not of this owner, which to look at again after. */
  readonly awaits?: Awaited;
}

export interface Key {
  /** Empty for cluster-scoped kinds. */
  readonly namespace: string;
  readonly name: string;
}

/** What memory holds of the kinds that controllers of this process watch. */
export interface Known {
  get<T extends KubeObject>(kind: Kind<T>, ref: Ref): T | undefined;
  /** In all namespaces where none is given. */
  list<T extends KubeObject>(kind: Kind<T>, namespace?: string): readonly T[];
}

export interface Watch {
  readonly kind: Kind;
  readonly keysOf: (object: never, known: Known) => readonly Key[];
}

/**
 * Something besides the API that says "look at this again": a measurement, an agent, a timer; or at all of them, which a
 * change of configuration does.
 */
export type Trigger = (
  enqueue: (key: Key) => void,
  signal: AbortSignal,
  enqueueAll: () => void,
) => void;

/**
 * Called with the newest object whenever it, what it owns, or what it watches may have changed, and once for each object
 * at start. One call at a time per object. Must be idempotent: a second call writes nothing.
 */
export interface Controller<T extends KubeObject = KubeObject> {
  readonly kind: Kind<T>;
  /** Kinds whose controller owner reference names `kind`. */
  readonly owns?: readonly Kind[];
  readonly watches?: readonly Watch[];
  readonly triggers?: readonly Trigger[];
  /** How many objects at once; 4 unless told. */
  readonly concurrency?: number;
  /**
   * Objects whose deletion is asked for are not reconciled, so that nothing is made anew under one that goes; with this
   * they are. Those with this controller's finalizer are finalized in any case.
   */
  readonly reconcilesDeleting?: boolean;
  /** Another controller says how these objects stand; that this one fails is told in the log alone. */
  readonly isSilent?: boolean;
  /** Throw an ApiError to retry with back-off, TerminalError not to; anything else is a bug and is logged as one. */
  reconcile(object: T, context: Context): Promise<Outcome<StatusOf<T>>>;
  /**
   * Where present, objects get the finalizer `name` before the first reconcile, and this runs once deletion is asked
   * for; the finalizer goes when it resolves with true (false: not yet, look again after a change or `againAfterMs`).
   */
  readonly finalizer?: {
    readonly name: string;
    finalize(object: T, context: Context): Promise<boolean>;
  };
  /** Called when an object is gone, with its last known state: to release what lives outside the API. */
  forget?(key: Key): void;
}

/** A controller of any kind, as the machinery holds it. */
export interface AnyController extends Omit<Controller, 'reconcile' | 'finalizer'> {
  reconcile(object: never, context: Context): Promise<Outcome<unknown>>;
  readonly finalizer?: {
    readonly name: string;
    finalize(object: never, context: Context): Promise<boolean>;
  };
}

/** Watches `kind`: each of its objects, as it was and as it is, concerns the objects with these keys. */
export function on<T extends KubeObject>(
  kind: Kind<T>,
  keysOf: (object: T, known: Known) => readonly Key[],
): Watch {
  return { kind, keysOf };
}

export function defineController<T extends KubeObject>(controller: Controller<T>): Controller<T> {
  return Object.freeze(controller);
}

export function refOf({ namespace, name }: Key): Ref {
  return namespace === '' ? { name } : { namespace, name };
}

export function keyOf(object: KubeObject): Key {
  return { namespace: object.metadata.namespace ?? '', name: object.metadata.name ?? '' };
}

/** Wrong until somebody edits the object: logged, not retried. */
export class TerminalError extends Error {
  override readonly name = 'TerminalError';
}
