import type { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import { controllerOf } from '#api/meta/object-meta.ts';
import { PREPARED_MAX, type Contender } from '#agent/prepared/next-place.ts';
import { canBePrepared, type PreparedSandbox } from '#agent/prepared/prepared-sandbox.ts';

const PREPARED_ANNOTATION = 'knode.dev/prepared-sandboxes';

/** One prepared sandbox. */
export interface Entry extends PreparedSandbox {
  readonly replicaSet: string;
  readonly deployment: string | undefined;
  readonly onStopped: Set<(pod: string) => void>;
  isStarted: boolean;
  isNamed: boolean;
  deadline: Disposable | undefined;
  /** Until its tokens have to be renewed. */
  fresh: Disposable | undefined;
}

/** One ReplicaSet that wants prepared sandboxes, from its first sight until it is gone. */
export interface Client {
  replicaSet: ReplicaSet;
  readonly entries: Set<Entry>;
  making: AbortController | undefined;
  /** Until a failed attempt is repeated. */
  retry: Disposable | undefined;
  /** In a row, since anything was last seen that may mend it. */
  failures: number;
  /** By the monotonic clock; of one that nobody called since this process began, less than zero. */
  calledMs: number;
  template: string;
}

export function newClient(replicaSet: ReplicaSet, now: Date): Client {
  return {
    replicaSet,
    template: templateOf(replicaSet),
    entries: new Set(),
    making: undefined,
    retry: undefined,
    failures: 0,
    calledMs: unknownCallMs(replicaSet, now),
  };
}

export function newEntry(replicaSet: ReplicaSet, prepared: PreparedSandbox): Entry {
  return {
    ...prepared,
    replicaSet: replicaSet.metadata.uid ?? '',
    deployment: deploymentOf(replicaSet),
    onStopped: new Set(),
    isStarted: false,
    isNamed: false,
    deadline: undefined,
    fresh: undefined,
  };
}

/** To be compared. */
export function templateOf({ spec }: ReplicaSet): string {
  return JSON.stringify(spec?.template);
}

/** 0 to the most there can be; 0 of what is not a whole number. */
export function wantedCount({ metadata }: ReplicaSet): number {
  const count = Number(metadata.annotations?.[PREPARED_ANNOTATION] ?? 0);
  return Number.isInteger(count) && count > 0 ? Math.min(count, PREPARED_MAX) : 0;
}

/** In place of when it was called last, before it is seen called: below zero, and the lower the older it is. */
function unknownCallMs({ metadata }: ReplicaSet, now: Date): number {
  const ageMs = now.getTime() - Date.parse(metadata.creationTimestamp ?? '');
  return -(ageMs > 0 ? ageMs : 1);
}

/** Nobody has been told of it yet. */
export function isIdle({ isStarted, isNamed }: Entry): boolean {
  return !isStarted && !isNamed;
}

/** Its part in the choice of who comes next. */
export function contender(client: Client): Contender & { readonly client: Client } {
  const { replicaSet, entries, making, retry, calledMs } = client;
  const mayMake =
    replicaSet.spec?.replicas === 0 &&
    canBePrepared(replicaSet.spec?.template?.spec) &&
    !making &&
    !retry;
  const missing = mayMake ? wantedCount(replicaSet) - entries.size : 0;
  const idle = [...entries].filter(isIdle).length;
  const waiting = [...entries].filter(({ isStarted }) => !isStarted).length;
  return { client, calledMs, missing, idle, held: waiting + (making ? 1 : 0) };
}

/** The Deployment that the ReplicaSet belongs to. */
function deploymentOf(replicaSet: ReplicaSet): string | undefined {
  const owner = controllerOf(replicaSet);
  return owner?.kind === 'Deployment' ? owner.name : undefined;
}
