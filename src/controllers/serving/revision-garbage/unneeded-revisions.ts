import type { Configuration } from '#api/serving-v1/configuration.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import type { GcConfig } from '#api/serving-config/config-gc.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';

/** What config-gc says. Absent: `disabled`. */
export type GarbageConfig = Pick<GcConfig, 'minNonActive'> & Partial<GcConfig>;

export interface Unneeded {
  /** Longest out of use first. */
  readonly revisions: readonly Revision[];
  /** When the next one will have been kept for long enough; absent where none will. */
  readonly againAfterMs?: number;
}

/**
 * Which of a Configuration's revisions may go (serving specification §3.6). What a Route leads to, what was Ready last
 * and what is marked to be kept is never among them.
 */
export function unneededRevisions(
  configuration: Configuration,
  revisions: readonly Revision[],
  { config, now }: { readonly config: GarbageConfig; readonly now: Date },
): Unneeded {
  const { latestReadyRevisionName: latest } = configuration.status ?? {};
  const unused = revisions
    .filter((revision) => revision.metadata.name !== latest && isUnused(revision))
    .toSorted((a, b) => lastActiveMs(a) - lastActiveMs(b));
  const spare = unused.length - config.minNonActive;
  if (spare <= 0) return { revisions: [] };
  const remaining = (revision: Revision): number => keptUntilMs(revision, config) - now.getTime();
  const stale = unused.filter((revision) => remaining(revision) < 0).slice(0, spare);
  const left = unused.filter((revision) => !stale.includes(revision));
  const surplus = left.length - (config.maxNonActive ?? Infinity);
  const unneeded = [...stale, ...left.slice(0, Math.max(0, surplus))];
  // With none to spare after these, time alone makes none go.
  const isMoreToGo = unneeded.length < spare;
  const next = Math.min(...left.slice(Math.max(0, surplus)).map(remaining));
  return {
    revisions: unneeded,
    ...(isMoreToGo && Number.isFinite(next) && { againAfterMs: Math.max(0, next) + 1 }),
  };
}

function isUnused({ metadata: { labels, annotations } }: Revision): boolean {
  const isKept = annotations?.[servingKeys.noGc]?.toLowerCase() === 'true';
  return !isKept && labels?.[servingKeys.routingState] === 'reserve';
}

function lastActiveMs({ metadata }: Revision): number {
  const modified = Date.parse(metadata.annotations?.[servingKeys.routingStateModified] ?? '');
  return Number.isNaN(modified) ? createdMs(metadata) : modified;
}

function createdMs({ creationTimestamp = '' }: Revision['metadata']): number {
  return Date.parse(creationTimestamp);
}

/** Infinity where no time makes it go. */
function keptUntilMs(
  revision: Revision,
  { retainSinceCreateMs, retainSinceLastActiveMs }: GarbageConfig,
): number {
  const since = [
    retainSinceCreateMs !== undefined && createdMs(revision.metadata) + retainSinceCreateMs,
    retainSinceLastActiveMs !== undefined && lastActiveMs(revision) + retainSinceLastActiveMs,
  ].filter((at) => at !== false);
  return since.length === 0 ? Infinity : Math.max(...since);
}
