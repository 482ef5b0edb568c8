import type { ServedResource } from '#apiserver/discovery/served-resource.ts';

export interface GroupVersion {
  readonly version: string;
  /** `v1`, `apps/v1` */
  readonly name: string;
  readonly resources: readonly ServedResource[];
}
export interface Group {
  readonly name: string;
  /** The preferred one first. */
  readonly versions: readonly GroupVersion[];
}

/** The resources by group, in the order in which groups first appear, and by version, newest and most stable first. */
export function groupsOf(resources: readonly ServedResource[]): readonly Group[] {
  const byGroup = Map.groupBy(resources, (resource) => resource.group);
  return [...byGroup].map(([name, ofGroup]) => {
    const byVersion = Map.groupBy(ofGroup, (resource) => resource.version);
    const versions = [...byVersion].map(([version, ofVersion]) => ({
      version,
      name: name === '' ? version : `${name}/${version}`,
      resources: ofVersion.toSorted((a, b) => (pathOf(a) < pathOf(b) ? -1 : 1)),
    }));
    return { name, versions: versions.toSorted((a, b) => compareVersions(a.version, b.version)) };
  });
}

/** `pods`, `pods/log` */
export function pathOf({ plural, subresource }: ServedResource): string {
  return subresource === undefined ? plural : `${plural}/${subresource}`;
}

const STABILITY = ['', 'beta', 'alpha'];

/** Kubernetes' order of versions: v2, v1, v1beta2, v1alpha1. Both must be of that form; others come last. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [rankOf(a), rankOf(b)];
  for (const [index, rank] of left.entries()) {
    const difference = rank - (right[index] ?? 0);
    if (difference !== 0) return difference;
  }
  return a < b ? -1 : Number(a > b);
}

function rankOf(version: string): number[] {
  const match = /^v(?<major>\d+)(?:(?<stability>alpha|beta)(?<minor>\d+))?$/.exec(version);
  if (!match) return [STABILITY.length, 0, 0];
  const { major, stability = '', minor = '0' } = match.groups ?? {};
  return [STABILITY.indexOf(stability), -Number(major), -Number(minor)];
}
