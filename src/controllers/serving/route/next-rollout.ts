import type { HostShare } from '#controllers/serving/route/host-shares.ts';
import type {
  ConfigurationRollout,
  RevisionShare,
  RolloutSteps,
} from '#controllers/serving/route/rollout.ts';

/** What a Configuration shall have of one host's traffic in the end. */
export interface RolloutGoal {
  readonly tag: string;
  readonly share: HostShare;
}

export interface RolloutMoment {
  readonly nowMs: number;
  /** 0: every change at once. */
  readonly durationMs: number;
  /** The gateway serves what was written last. */
  readonly isServed: boolean;
  /** Revisions that can take traffic still. */
  readonly isThere: (revisionName: string) => boolean;
}

/**
 * The next state of a gradual rollout (serving specification §3.4): a new Revision begins with 1 %, and once the gateway
 * has shown how long a change takes, steps of equal size and length bring it to its goal within the duration.
 */
export function nextRollout(
  { tag, share }: RolloutGoal,
  previous: ConfigurationRollout | undefined,
  moment: RolloutMoment,
): ConfigurationRollout {
  const { configuration: configurationName, revisionName: newest, percent } = share;
  const whole = { configurationName, tag, percent, revisions: [{ revisionName: newest, percent }] };
  if (!previous || percent <= 1 || moment.durationMs === 0) return whole;
  const kept = withGoal(withoutGone(previous.revisions, { newest, ...moment }), percent);
  if (kept.length === 0) return whole;
  if (kept.at(-1)?.revisionName !== newest) {
    return { ...whole, revisions: begun(kept, newest), startMs: moment.nowMs };
  }
  if (kept.length === 1) return whole;
  const { startMs = moment.nowMs } = previous;
  const planned = { ...whole, revisions: kept, startMs };
  if (!previous.steps) {
    if (!moment.isServed) return planned;
    return { ...planned, steps: plannedSteps({ percent, startMs }, moment) };
  }
  // Of a smaller goal no step may be larger than all of it: what is written so would be taken for tampered with.
  const steps = {
    ...previous.steps,
    stepPercent: Math.min(previous.steps.stepPercent, percent),
  };
  if (moment.nowMs < steps.nextStepMs) return { ...planned, steps };
  const revisions = stepped(kept, steps.stepPercent);
  if (revisions.length === 1) return whole;
  return { ...planned, revisions, steps: { ...steps, nextStepMs: moment.nowMs + steps.stepMs } };
}

/** The newest takes over the share of what is there no more. */
function withoutGone(
  revisions: readonly RevisionShare[],
  { newest, isThere }: { readonly newest: string } & Pick<RolloutMoment, 'isThere'>,
): readonly RevisionShare[] {
  const isKept = ({ revisionName }: RevisionShare, at: number): boolean =>
    isThere(revisionName) && (revisionName !== newest || at === revisions.length - 1);
  const kept = revisions.filter(isKept);
  const lost = sum(revisions) - sum(kept);
  const last = kept.at(-1);
  if (!last) return [];
  return [...kept.slice(0, -1), { ...last, percent: last.percent + lost }];
}

/** More goes to the newest, less is taken from the oldest. */
function withGoal(revisions: readonly RevisionShare[], percent: number): readonly RevisionShare[] {
  const change = percent - sum(revisions);
  const last = revisions.at(-1);
  if (!last || change === 0) return revisions;
  if (change > 0) return [...revisions.slice(0, -1), { ...last, percent: last.percent + change }];
  return withTraffic(taken(revisions, -change));
}

/** The new one gets its first percent from the newest that has any. */
function begun(revisions: readonly RevisionShare[], newest: string): readonly RevisionShare[] {
  const left = taken(revisions.toReversed(), 1).toReversed();
  return [...withTraffic(left), { revisionName: newest, percent: 1 }];
}

/** One step: from the newest old one backwards, to the newest. */
function stepped(revisions: readonly RevisionShare[], percent: number): readonly RevisionShare[] {
  const old = revisions.slice(0, -1);
  const left = taken(old.toReversed(), percent).toReversed();
  const last = revisions.slice(-1);
  const gained = sum(old) - sum(left);
  return [
    ...withTraffic(left),
    ...last.map((newest) => ({ ...newest, percent: newest.percent + gained })),
  ];
}

/** At most `percent` less, from the first on. */
function taken(revisions: readonly RevisionShare[], percent: number): readonly RevisionShare[] {
  let left = percent;
  return revisions.map((share) => {
    const part = Math.min(share.percent, left);
    left -= part;
    return { ...share, percent: share.percent - part };
  });
}

function withTraffic(revisions: readonly RevisionShare[]): readonly RevisionShare[] {
  return revisions.filter(({ percent }) => percent > 0);
}

function sum(revisions: readonly RevisionShare[]): number {
  return revisions.reduce((total, { percent }) => total + percent, 0);
}

/** No step is shorter than the gateway took for the first percent. */
function plannedSteps(
  { percent, startMs }: { readonly percent: number; readonly startMs: number },
  { nowMs, durationMs }: RolloutMoment,
): RolloutSteps {
  const shortest = Math.max(1, Math.ceil((nowMs - startMs) / 1_000));
  const seconds = Math.max(1, durationMs / 1_000 - shortest);
  const steps = Math.min(percent - 1, Math.max(1, seconds / shortest));
  const stepMs = (seconds * 1_000) / steps;
  return { stepMs, stepPercent: Math.round((percent - 1) / steps), nextStepMs: nowMs + stepMs };
}
