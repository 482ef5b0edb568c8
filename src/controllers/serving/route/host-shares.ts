import type { AssignedTarget } from '#controllers/serving/route/assign-traffic.ts';
import type { ConfigurationRollout, RevisionShare } from '#controllers/serving/route/rollout.ts';

/** What a Revision has of one host's traffic. */
export type HostShare = Pick<
  AssignedTarget,
  'revisionName' | 'configuration' | 'protocol' | 'percent'
>;

/**
 * The shares of a Route's own hosts (`''`) or of a tag's: one for each Revision or Configuration, a lone one whole, none
 * of 0 %.
 */
export function hostShares(tag: string, targets: readonly AssignedTarget[]): readonly HostShare[] {
  const shares = new Map<string, HostShare>();
  for (const target of tag === '' ? targets : targets.filter((one) => one.tag === tag)) {
    const { revisionName, configuration, protocol } = target;
    const key = `${revisionName} ${configuration}`;
    const percent = (shares.get(key)?.percent ?? 0) + target.percent;
    shares.set(key, { revisionName, configuration, protocol, percent });
  }
  const all = [...shares.values()];
  const active = all.filter(({ percent }) => percent > 0);
  const [lone, ...others] = tag === '' ? active : all;
  return lone && others.length === 0 ? [{ ...lone, percent: 100 }] : active;
}

/** The rollout of a Configuration on a host. */
export function rolloutOf(
  rollouts: readonly ConfigurationRollout[],
  { tag, configuration }: { readonly tag: string; readonly configuration: string },
): ConfigurationRollout | undefined {
  if (configuration === '') return undefined;
  return rollouts.find((one) => one.tag === tag && one.configurationName === configuration);
}

/** `percent` divided as a rollout stands; what rounding leaves is the newest one's. */
export function divided(
  { revisions, percent: whole }: ConfigurationRollout,
  percent: number,
): readonly RevisionShare[] {
  const old = revisions.slice(0, -1).map((share) => ({
    ...share,
    percent: Math.floor((share.percent * percent) / whole),
  }));
  const rest = old.reduce((left, share) => left - share.percent, percent);
  const newest = revisions.slice(-1).map((share) => ({ ...share, percent: rest }));
  return [...old.filter((share) => share.percent > 0), ...newest];
}
