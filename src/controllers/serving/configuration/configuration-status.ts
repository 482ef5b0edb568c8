import type { StatusOf } from '#api/kind.ts';
import type { ApiError } from '#api/meta/api-error.ts';
import { conditionOf, Conditions, isFailed, isReady } from '#api/meta/conditions.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import type { Awaited } from '#reconcile/name-taken.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';

/** What a reconcile of a Configuration found. */
export type ObservedConfiguration =
  | {
      /** Of the current generation. */
      readonly latest: Revision;
      /** All that the Configuration owns. */
      readonly revisions: readonly Revision[];
    }
  | {
      readonly failure: string;
      /** What is worth another attempt. */
      readonly error?: ApiError;
      /** Whose revision has the name. */
      readonly awaits?: Awaited;
    };

export function configurationStatus(
  configuration: Configuration,
  observed: ObservedConfiguration,
  now: Date,
): StatusOf<Configuration> {
  const { status, metadata } = configuration;
  const conditions = new Conditions({
    set: Configuration.conditions,
    previous: status?.conditions,
    now,
  });
  if ('failure' in observed) {
    conditions.markFalse('Ready', 'RevisionFailed', observed.failure);
    return {
      ...status,
      ...(metadata.generation && { observedGeneration: metadata.generation }),
      conditions: conditions.list(),
    };
  }
  const { latest } = observed;
  const name = latest.metadata.name ?? '';
  const readyName = latestReadyName(configuration, observed);
  if (isFailed(latest)) {
    const why = conditionOf(latest, 'Ready')?.message ?? '';
    const message = `Revision "${name}" failed with message: ${why}.`;
    conditions.markFalse('Ready', 'RevisionFailed', message);
  } else if (isReady(latest)) conditions.markTrue('Ready');
  else conditions.markUnknown('Ready');
  return {
    ...(metadata.generation && { observedGeneration: metadata.generation }),
    latestCreatedRevisionName: name,
    ...(readyName !== undefined && { latestReadyRevisionName: readyName }),
    conditions: conditions.list(),
  };
}

/**
 * The newest Ready revision from the one that was the latest ready on: a revision in the middle counts also where the
 * newest fails. Where that one is gone, every generation is looked at; until one of them is Ready its name stays, by which
 * Routes say what is missing.
 */
function latestReadyName(
  { status, metadata }: Configuration,
  { latest, revisions }: Extract<ObservedConfiguration, { latest: Revision }>,
): string | undefined {
  if (isReady(latest)) return latest.metadata.name;
  const before = revisions.find(
    (revision) => revision.metadata.name === status?.latestReadyRevisionName,
  );
  const oldest = before ? generationOf(before) : 0;
  const candidates = revisions
    .filter((revision) => generationOf(revision) >= oldest)
    .filter((revision) => generationOf(revision) <= (metadata.generation ?? 0))
    .toSorted((a, b) => generationOf(b) - generationOf(a));
  return candidates.find(isReady)?.metadata.name ?? status?.latestReadyRevisionName;
}

function generationOf({ metadata }: Revision): number {
  return Number(metadata.labels?.[servingKeys.configurationGeneration] ?? 0);
}
