import { conditionOf, isReady } from '#api/meta/conditions.ts';
import type { Configuration } from '#api/serving-v1/configuration.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import type { Route } from '#api/serving-v1/route.ts';
import { protocolOf } from '#api/serving-v1/revision-template.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import type { TrafficTarget } from '#api/serving-v1/traffic-target.ts';

/** What a Route's targets name, by name; what is not there is not in it. */
export interface Targets {
  readonly configurations: ReadonlyMap<string, Configuration>;
  readonly revisions: ReadonlyMap<string, Revision>;
}

/** A share of the traffic, resolved to a Revision. */
export interface AssignedTarget {
  readonly revisionName: string;
  readonly percent: number;
  /** Whose latest Ready Revision it is; empty where the Revision itself is named. */
  readonly configuration: string;
  /** Empty where it has none. */
  readonly tag: string;
  readonly protocol: 'http1' | 'h2c';
}

/** Why traffic cannot be assigned; `Unknown` may heal by itself. */
export interface UnassignedTraffic {
  readonly status: 'False' | 'Unknown';
  readonly reason: string;
  readonly message: string;
}

export type Assignment =
  | { readonly targets: readonly AssignedTarget[] }
  | { readonly problem: UnassignedTraffic };

/**
 * Resolves every target to a Revision (serving specification §3.4). With several bad targets the last real failure
 * tells, else the first that only waits.
 */
export function assignTraffic(route: Route, targets: Targets): Assignment {
  const assigned: AssignedTarget[] = [];
  let failure: UnassignedTraffic | undefined;
  let waiting: UnassignedTraffic | undefined;
  for (const target of route.spec.traffic ?? []) {
    const result = assignTarget(target, route, targets);
    if (!('problem' in result)) assigned.push(result);
    else if (result.problem.status === 'False') failure = result.problem;
    else waiting ??= result.problem;
  }
  const problem = failure ?? waiting;
  return problem ? { problem } : { targets: merged(assigned) };
}

function assignTarget(
  target: TrafficTarget,
  route: Route,
  targets: Targets,
): AssignedTarget | { readonly problem: UnassignedTraffic } {
  const revision = target.configurationName
    ? latestOf(target.configurationName, targets)
    : named(target.revisionName ?? '', route, targets);
  if ('problem' in revision) return revision;
  return {
    revisionName: revision.metadata.name ?? '',
    percent: target.percent ?? 0,
    configuration: target.configurationName ?? '',
    tag: target.tag ?? '',
    protocol: protocolOf(revision.spec),
  };
}

function latestOf(
  name: string,
  { configurations, revisions }: Targets,
): Revision | { readonly problem: UnassignedTraffic } {
  const configuration = configurations.get(name);
  if (!configuration) {
    const message = `Configuration "${name}" referenced in traffic not found.`;
    return { problem: { status: 'False', reason: 'ConfigurationMissing', message } };
  }
  const latest = configuration.status?.latestReadyRevisionName;
  if (latest === undefined) {
    return conditionOf(configuration, 'Ready')?.status === 'False'
      ? missing('False', `Configuration "${name}" does not have any ready Revision.`)
      : missing('Unknown', `Configuration "${name}" is waiting for a Revision to become ready.`);
  }
  return (
    revisions.get(latest) ??
    missing('False', `Revision "${latest}" referenced in traffic not found.`)
  );
}

function named(
  name: string,
  route: Route,
  { revisions }: Targets,
): Revision | { readonly problem: UnassignedTraffic } {
  const revision = revisions.get(name);
  if (!revision) return missing('False', `Revision "${name}" referenced in traffic not found.`);
  const service = route.metadata.labels?.[servingKeys.service];
  const owner = revision.metadata.labels?.[servingKeys.service];
  if (service !== undefined && owner !== service) {
    const message =
      owner === undefined
        ? `Revision "${name}" does not belong to Service "${service}".`
        : `Revision "${name}" belongs to Service "${owner}", not Service "${service}".`;
    return { problem: { status: 'False', reason: 'RevisionNotOwned', message } };
  }
  if (isReady(revision)) return revision;
  return conditionOf(revision, 'Ready')?.status === 'False'
    ? missing('False', `Revision "${name}" failed to become ready.`)
    : missing('Unknown', `Revision "${name}" is not yet ready.`);
}

function missing(
  status: 'False' | 'Unknown',
  message: string,
): { readonly problem: UnassignedTraffic } {
  return { problem: { status, reason: 'RevisionMissing', message } };
}

/** Targets that differ in their share alone become one. */
function merged(targets: readonly AssignedTarget[]): AssignedTarget[] {
  const byKey = new Map<string, AssignedTarget>();
  for (const target of targets) {
    const key = `${target.tag} ${target.revisionName} ${target.configuration}`;
    const known = byKey.get(key);
    byKey.set(key, known ? { ...known, percent: known.percent + target.percent } : target);
  }
  return [...byKey.values()];
}
