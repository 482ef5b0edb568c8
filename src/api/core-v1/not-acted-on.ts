import type { Container, PodSpec } from '#api/generated/core-v1.ts';

type Asks<T> = Readonly<Record<string, (of: T) => unknown>>;

/*
 * Fields that are stored and that nothing does anything about. Whoever makes one work removes its line, and the one in
 * docs/reference/limits.md.
 */

const ofPod: Asks<PodSpec> = {
  hostnameOverride: ({ hostnameOverride }) => hostnameOverride,
  overhead: ({ overhead }) => Object.keys(overhead ?? {}).length > 0,
  resourceClaims: ({ resourceClaims = [] }) => resourceClaims.length > 0,
  topologySpreadConstraints: ({ topologySpreadConstraints = [] }) =>
    topologySpreadConstraints.length > 0,
  'affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution': ({ affinity }) =>
    affinity?.podAffinity?.preferredDuringSchedulingIgnoredDuringExecution?.length,
  'affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution': ({ affinity }) =>
    affinity?.podAntiAffinity?.preferredDuringSchedulingIgnoredDuringExecution?.length,
  'securityContext.appArmorProfile': ({ securityContext }) => securityContext?.appArmorProfile,
  'securityContext.seLinuxOptions': ({ securityContext }) => securityContext?.seLinuxOptions,
  'securityContext.windowsOptions': ({ securityContext }) => securityContext?.windowsOptions,
};

const ofContainer: Asks<Container> = {
  volumeDevices: ({ volumeDevices = [] }) => volumeDevices.length > 0,
  'securityContext.appArmorProfile': ({ securityContext }) => securityContext?.appArmorProfile,
  'securityContext.seLinuxOptions': ({ securityContext }) => securityContext?.seLinuxOptions,
  'securityContext.windowsOptions': ({ securityContext }) => securityContext?.windowsOptions,
};

/** Says of each field of a pod at `path` that asks for what is not done. Containers come with their paths. */
export function notActedOn(
  spec: PodSpec,
  containers: readonly (readonly [string, Container])[],
  path: string,
): string[] {
  const asked = <T>(asks: Asks<T>, of: T, at: string): string[] =>
    Object.entries(asks)
      .filter(([, asksFor]) => asksFor(of))
      .map(([field]) => `${at}.${field}: stored, but not acted on yet`);
  return [
    ...asked(ofPod, spec, path),
    ...containers.flatMap(([where, container]) => asked(ofContainer, container, where)),
  ];
}
