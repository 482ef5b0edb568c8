import type { Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';

export interface Ref {
  /** Absent for cluster-scoped kinds. */
  readonly namespace?: string;
  readonly name: string;
}

export interface Selection {
  /** All namespaces where absent. */
  readonly namespace?: string;
  /** Kubernetes' selector syntax: `app=a,tier in (x,y)`. */
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
}

/** What a list can leave out besides: servers cannot, so these are looked at here, or looked up in memory. */
export interface ListSelection extends Selection {
  /** Only objects with an owner reference to this uid. */
  readonly ownedBy?: string;
}

export interface ObjectList<T> {
  readonly items: readonly T[];
  /** Watch from here and miss nothing. */
  readonly resourceVersion: string;
}

interface WriteOptions {
  /** Pass every admission step, store nothing. */
  readonly dryRun?: boolean;
}

interface LogOptions {
  readonly container?: string;
  readonly follow?: boolean;
  readonly previous?: boolean;
  readonly timestamps?: boolean;
  readonly tailLines?: number;
  readonly sinceSeconds?: number;
}

interface DeleteOptions {
  readonly propagationPolicy?: 'Foreground' | 'Background' | 'Orphan';
  readonly gracePeriodSeconds?: number;
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
}

export type PatchType = 'json' | 'merge' | 'strategic';

interface PatchOptions {
  readonly type: PatchType;
  /** `status`, `scale`, `binding`… */
  readonly subresource?: string;
}

export type WatchEvent<T> =
  | { readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'; readonly object: T }
  | { readonly type: 'BOOKMARK'; readonly resourceVersion: string };

/**
 * What anyone may do to a cluster, embedded or real. Failures are ApiError with the server's reason. Objects that come
 * back are frozen: copy before you change.
 */
export interface Client {
  /** Undefined where the object does not exist. */
  get<T extends KubeObject>(kind: Kind<T>, ref: Ref): Promise<T | undefined>;
  list<T extends KubeObject>(kind: Kind<T>, selection?: ListSelection): Promise<ObjectList<T>>;
  create<T extends KubeObject>(kind: Kind<T>, object: T, options?: WriteOptions): Promise<T>;
  /** Replaces all but the status; throws Conflict where `metadata.resourceVersion` is set and stale. */
  update<T extends KubeObject>(kind: Kind<T>, object: T): Promise<T>;
  /** Replaces the status alone. */
  updateStatus<T extends KubeObject>(kind: Kind<T>, object: T): Promise<T>;
  /** What a subresource says (`scale`), as the server's reply. Throws NotFound where the object has none. */
  getSubresource<T extends KubeObject, R>(
    kind: Kind<T>,
    ref: Ref & { readonly subresource: string },
  ): Promise<R>;
  /** Replaces what the subresource is of (`finalize`, `scale`), and returns the server's reply. */
  updateSubresource<T extends KubeObject, R>(
    kind: Kind<T>,
    ref: Ref & { readonly subresource: string },
    body: R,
  ): Promise<R>;
  patch<T extends KubeObject>(
    kind: Kind<T>,
    ref: Ref,
    patch: unknown,
    options: PatchOptions,
  ): Promise<T>;
  /**
   * Makes the cluster hold at least what `desired` says: creates it, or changes what differs and leaves the rest, which
   * includes fields that others set. Writes nothing where nothing differs. Status is not touched.
   */
  apply<T extends KubeObject>(kind: Kind<T>, desired: T): Promise<T>;
  /** Resolves when the delete is accepted, also where the object is gone already. */
  delete(kind: Kind, ref: Ref, options?: DeleteOptions): Promise<void>;
  /**
   * Changes after `resourceVersion`. Ends when `signal` is aborted, and after some minutes also by itself: resume from the
   * last resourceVersion seen. Throws Expired where history does not reach. An informer does all of that.
   */
  watch<T extends KubeObject>(
    kind: Kind<T>,
    selection: Selection & { readonly resourceVersion: string },
    signal: AbortSignal,
  ): AsyncIterable<WatchEvent<T>>;
  /** POSTs to a subresource (`pods/binding`, `serviceaccounts/token`) and returns the reply. */
  createSubresource<T extends KubeObject, R>(
    kind: Kind<T>,
    ref: Ref & { readonly subresource: string },
    body: R,
  ): Promise<R>;
  /**
   * What a Pod's container wrote, or what is kept of a ReplicaSet's pods that are gone, in chunks as they come; ends at the
   * end, or with `signal` when following.
   */
  log(
    kind: Kind,
    ref: Ref,
    options: LogOptions & { readonly signal: AbortSignal },
  ): AsyncIterable<Uint8Array>;
}
