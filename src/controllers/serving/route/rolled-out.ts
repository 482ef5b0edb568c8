import { isReady } from '#api/meta/conditions.ts';
import { parseGoDuration } from '#api/meta/go-duration.ts';
import type { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import { protocolOf } from '#api/serving-v1/revision-template.ts';
import type { Route } from '#api/serving-v1/route.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import type { AssignedTarget } from '#controllers/serving/route/assign-traffic.ts';
import {
  divided,
  hostShares,
  rolloutOf,
  type HostShare,
} from '#controllers/serving/route/host-shares.ts';
import { nextRollout } from '#controllers/serving/route/next-rollout.ts';
import { parseRollout, type ConfigurationRollout } from '#controllers/serving/route/rollout.ts';

export interface RolloutInput {
  readonly targets: readonly AssignedTarget[];
  readonly tags: readonly string[];
  /** What was written last. */
  readonly ingress: Ingress | undefined;
  /** Those that traffic goes to now or did until now, by name. */
  readonly revisions: ReadonlyMap<string, Revision>;
  readonly defaultDurationMs: number;
  readonly now: Date;
}

export interface RolledOut {
  readonly rollouts: readonly ConfigurationRollout[];
  /** By tag. */
  readonly shares: ReadonlyMap<string, readonly HostShare[]>;
  /** When the next step is due; absent where none is. */
  readonly againAfterMs?: number;
}

/** The Revisions that had traffic when the Ingress was written. */
export function rolledOutRevisions(ingress: Ingress | undefined): readonly string[] {
  return rolloutsOf(ingress).flatMap(({ revisions }) =>
    revisions.map(({ revisionName }) => revisionName),
  );
}

/** What each host of a Route gets at this moment, on the way from what it got to what its spec wants. */
export function rolledOut(route: Route, input: RolloutInput): RolledOut {
  const { targets, tags, ingress, revisions, now } = input;
  const previous = rolloutsOf(ingress);
  const moment = {
    nowMs: now.getTime(),
    // 0 says as much as nothing, as upstream.
    durationMs: durationOf(route) || input.defaultDurationMs,
    isServed: ingress !== undefined && isReady(ingress),
    isThere: (name: string) => revisions.has(name),
  };
  const goals = new Map(tags.map((tag) => [tag, hostShares(tag, targets)]));
  const rollouts = [...goals].flatMap(([tag, shares]) =>
    shares
      .filter(({ configuration }) => configuration !== '')
      .map((share) => {
        const known = rolloutOf(previous, { tag, configuration: share.configuration });
        return nextRollout({ tag, share }, known, moment);
      }),
  );
  const next = Math.min(...rollouts.map(({ steps }) => steps?.nextStepMs ?? Infinity));
  return {
    rollouts,
    shares: new Map(
      [...goals].map(([tag, shares]) => [
        tag,
        shares.flatMap((share) => {
          const rollout = rolloutOf(rollouts, { tag, configuration: share.configuration });
          return rollout ? sharesOf(share, { rollout, revisions }) : [share];
        }),
      ]),
    ),
    ...(Number.isFinite(next) && { againAfterMs: Math.max(1, next - moment.nowMs) }),
  };
}

function rolloutsOf(ingress: Ingress | undefined): readonly ConfigurationRollout[] {
  return parseRollout(ingress?.metadata.annotations?.[networkingKeys.rollout]);
}

function sharesOf(
  share: HostShare,
  {
    rollout,
    revisions,
  }: { readonly rollout: ConfigurationRollout; readonly revisions: RolloutInput['revisions'] },
): readonly HostShare[] {
  return divided(rollout, share.percent).map(({ revisionName, percent }) => {
    const revision = revisions.get(revisionName);
    const protocol = revision ? protocolOf(revision.spec) : share.protocol;
    return { ...share, revisionName, percent, protocol };
  });
}

function durationOf({ metadata: { annotations } }: Route): number | undefined {
  const { rolloutDuration, rolloutDurationAlias } = servingKeys;
  return parseGoDuration(
    annotations?.[rolloutDuration] ?? annotations?.[rolloutDurationAlias] ?? '',
  );
}
