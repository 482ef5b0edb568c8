import type { Column } from '#api/kind.ts';
import { array, integer, map, object, optional, string, type Of } from '#api/schema.ts';

/**
 * Knative's condition sets (serving specification §1.1). A set is living: a happy condition, `Ready`, sums up its
 * dependents at all times. A condition that is neither is information: it has severity Info and moves nothing.
 */
export type Condition = Of<typeof Condition>;
export const Condition = object({
  type: string(),
  status: string<'True' | 'False' | 'Unknown'>(),
  severity: optional(string()),
  lastTransitionTime: optional(string()),
  reason: optional(string()),
  message: optional(string()),
});

/** The status fields that every kind with conditions has. */
export const conditioned = {
  observedGeneration: optional(integer({ format: 'int64' })),
  conditions: optional(array(Condition)),
  annotations: optional(map(string())),
} as const;

export const readyColumns: readonly Column[] = [
  { name: 'Ready', type: 'string', jsonPath: ".status.conditions[?(@.type=='Ready')].status" },
  { name: 'Reason', type: 'string', jsonPath: ".status.conditions[?(@.type=='Ready')].reason" },
];

interface Conditioned {
  readonly metadata: { readonly generation?: number };
  readonly status?: {
    readonly observedGeneration?: number;
    readonly conditions?: readonly Condition[];
  };
}

export function conditionOf(object: Conditioned, type: string): Condition | undefined {
  return object.status?.conditions?.find((condition) => condition.type === type);
}

/** True only where the status is about the newest generation: a stale Ready is no Ready. */
export function isReady(object: Conditioned): boolean {
  return isCurrent(object) && conditionOf(object, 'Ready')?.status === 'True';
}

export function isFailed(object: Conditioned): boolean {
  return isCurrent(object) && conditionOf(object, 'Ready')?.status === 'False';
}

function isCurrent(object: Conditioned): boolean {
  return object.status?.observedGeneration === object.metadata.generation;
}

export interface ConditionSetup {
  /** A kind's `conditions`. */
  readonly set: { readonly happy: string; readonly dependents: readonly string[] } | undefined;
  /** What the last reconcile published. */
  readonly previous: readonly Condition[] | undefined;
  /** The time stamp of what changes in this pass. */
  readonly now: Date;
}

/**
 * The conditions of one object during one reconcile. Missing ones begin Unknown, dependents True where the object is
 * Ready already. What ends a pass as it began keeps its transition time, however often it was marked in between.
 */
export class Conditions {
  readonly #happy: string;
  readonly #dependents: readonly string[];
  readonly #previous: ReadonlyMap<string, Condition>;
  readonly #now: string;
  readonly #current = new Map<string, Condition>();
  /** Types whose condition this pass has changed, the latest last. */
  readonly #changes = new Set<string>();

  constructor({ set, previous, now }: ConditionSetup) {
    this.#happy = set?.happy ?? 'Ready';
    this.#dependents = set?.dependents ?? [];
    this.#previous = new Map((previous ?? []).map((condition) => [condition.type, condition]));
    this.#now = `${now.toISOString().slice(0, 19)}Z`;
    for (const [type, condition] of this.#previous) this.#current.set(type, condition);
    const initial = this.isTrue(this.#happy) ? 'True' : 'Unknown';
    if (!this.#current.has(this.#happy)) this.#set(this.#happy, 'Unknown');
    for (const type of this.#dependents) if (!this.#current.has(type)) this.#set(type, initial);
  }

  get(type: string): Condition | undefined {
    return this.#current.get(type);
  }

  isTrue(type: string): boolean {
    return this.get(type)?.status === 'True';
  }

  isFalse(type: string): boolean {
    return this.get(type)?.status === 'False';
  }

  markTrue(type: string, reason?: string, message?: string): void {
    this.#set(type, 'True', reason, message);
    const unhappy = this.#worstDependent();
    if (unhappy) this.#set(this.#happy, unhappy.status, unhappy.reason, unhappy.message);
    else if (type !== this.#happy) this.#set(this.#happy, 'True');
  }

  markFalse(type: string, reason?: string, message?: string): void {
    this.#set(type, 'False', reason, message);
    if (this.#dependents.includes(type)) this.#set(this.#happy, 'False', reason, message);
  }

  markUnknown(type: string, reason?: string, message?: string): void {
    this.#set(type, 'Unknown', reason, message);
    if (this.#dependents.some((dependent) => this.isFalse(dependent))) {
      // What made it False stays said; a happy condition that is not False yet takes this call's words.
      if (!this.isFalse(this.#happy)) this.#set(this.#happy, 'False', reason, message);
    } else if (this.#dependents.includes(type)) {
      this.#set(this.#happy, 'Unknown', reason, message);
    }
  }

  /** The happy condition is no news of the newest generation: somebody failed to look at it. */
  markUnobserved(): void {
    const words = ['NewObservedGenFailure', 'unsuccessfully observed a new generation'] as const;
    const isFailed = this.#dependents.some((dependent) => this.isFalse(dependent));
    if (isFailed) this.markFalse(this.#happy, ...words);
    else this.markUnknown(this.#happy, ...words);
  }

  /** Takes over what another object's condition says; an absent one is Unknown. */
  mark(type: string, source: Pick<Condition, 'status' | 'reason' | 'message'> | undefined): void {
    if (source?.status === 'True') this.markTrue(type);
    else if (source?.status === 'False') this.markFalse(type, source.reason, source.message);
    else this.markUnknown(type, source?.reason, source?.message);
  }

  /** What to publish, sorted by type as clients expect. */
  list(): Condition[] {
    return [...this.#current.values()]
      .map((condition) => ({
        ...condition,
        lastTransitionTime: this.#transitionTime(condition),
      }))
      .toSorted((a, b) => (a.type < b.type ? -1 : 1));
  }

  #set(type: string, status: Condition['status'], reason?: string, message?: string): void {
    const isInfo = type !== this.#happy && !this.#dependents.includes(type);
    const next: Condition = {
      type,
      status,
      ...(isInfo && { severity: 'Info' }),
      ...(reason && { reason }),
      ...(message && { message }),
    };
    if (isSame(this.#current.get(type), next)) return;
    this.#current.set(type, next);
    this.#changes.delete(type);
    this.#changes.add(type);
  }

  #transitionTime(condition: Condition): string {
    const previous = this.#previous.get(condition.type);
    return (isSame(previous, condition) ? previous?.lastTransitionTime : undefined) ?? this.#now;
  }

  /** False before Unknown, the latest transition first; those of this pass are later than all before. */
  #worstDependent(): Condition | undefined {
    const changes = [...this.#changes];
    return this.#dependents
      .map((type) => this.#current.get(type))
      .filter((condition) => condition !== undefined && condition.status !== 'True')
      .toSorted(
        (a, b) =>
          Number(b?.status === 'False') - Number(a?.status === 'False') ||
          changes.indexOf(b?.type ?? '') - changes.indexOf(a?.type ?? '') ||
          (b?.lastTransitionTime ?? '').localeCompare(a?.lastTransitionTime ?? '') ||
          (a?.type ?? '').localeCompare(b?.type ?? ''),
      )[0];
  }
}

function isSame(one: Condition | undefined, other: Condition): boolean {
  return (
    one?.status === other.status &&
    (one.reason ?? '') === (other.reason ?? '') &&
    (one.message ?? '') === (other.message ?? '') &&
    (one.severity ?? '') === (other.severity ?? '')
  );
}
