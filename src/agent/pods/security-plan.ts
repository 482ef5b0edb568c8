import { readFile } from 'node:fs/promises';
import path from 'node:path';
import type { Container, SeccompProfile as ProfileChoice } from '#api/generated/core-v1.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import { capabilitiesOf, grantable } from '#agent/oci/capabilities.ts';
import { hostDevices } from '#agent/oci/host-devices.ts';
import type { ContainerPlan } from '#agent/oci/oci-spec.ts';
import { ociSeccomp, readSeccompProfile, type SeccompProfile } from '#agent/oci/seccomp.ts';
import { configProblem, ContainerProblem } from '#agent/pods/container-problem.ts';

type SecurityParts = Pick<AgentParts, 'seccomp' | 'seccompFolder' | 'arch'>;

type SecurityPlan = Pick<
  ContainerPlan,
  | 'capabilities'
  | 'isRootReadOnly'
  | 'mayGainPrivileges'
  | 'seccomp'
  | 'hostDevices'
  | 'isUnmasked'
  | 'sysctls'
  | 'shared'
>;

/**
 * What a container may do to the machine. As on Kubernetes that is what its spec says: who may create pods may be root
 * here, unless admission or RBAC say otherwise. Throws ContainerProblem for what is not to be had.
 */
export async function securityPlan(
  { spec }: Pod,
  { name, securityContext = {} }: Container,
  parts: SecurityParts,
): Promise<SecurityPlan> {
  const own = spec?.securityContext ?? {};
  refuseAbsent(spec);
  const sysctls = Object.fromEntries((own.sysctls ?? []).map((each) => [each.name, each.value]));
  for (const sysctl of Object.keys(sysctls)) {
    if (!SAFE_SYSCTLS.has(sysctl))
      throw new ContainerProblem(
        'SysctlForbidden',
        `forbidden sysctl: "${sysctl}" not allowlisted`,
      );
  }
  const { privileged: isPrivileged = false, allowPrivilegeEscalation } = securityContext;
  const all = grantable(await readFile('/proc/self/status', 'utf8'));
  const capabilities = isPrivileged ? all : capabilitiesOf(securityContext.capabilities, all);
  const choice = securityContext.seccompProfile ?? own.seccompProfile;
  const profile = isPrivileged ? undefined : await profileOf(name, choice, parts);
  return {
    capabilities,
    isRootReadOnly: securityContext.readOnlyRootFilesystem ?? false,
    mayGainPrivileges: allowPrivilegeEscalation ?? true,
    isUnmasked: isPrivileged || securityContext.procMount === 'Unmasked',
    sysctls,
    shared: [...(spec?.hostPID ? ['pid'] : []), ...(spec?.hostIPC ? ['ipc'] : [])],
    ...(profile && { seccomp: ociSeccomp(profile, { arch: parts.arch, capabilities }) }),
    ...(isPrivileged && { hostDevices: await hostDevices() }),
  };
}

function refuseAbsent(spec: Pod['spec']): void {
  const absent = Object.entries({
    'hostUsers: false': spec?.hostUsers === false,
    runtimeClassName: Boolean(spec?.runtimeClassName),
  }).find(([, isAsked]) => isAsked);
  if (absent) throw configProblem(`the pod asks for ${absent[0]}, which is not there`);
}

/** Without a word it is the default, where a kubelet has no filter unless told. */
async function profileOf(
  container: string,
  { type, localhostProfile = '' }: ProfileChoice = { type: 'RuntimeDefault' },
  { seccomp, seccompFolder }: SecurityParts,
): Promise<SeccompProfile | undefined> {
  if (type === 'Unconfined') return undefined;
  if (type !== 'Localhost') return seccomp;
  const isBelow = localhostProfile !== '' && !localhostProfile.split('/').includes('..');
  if (!isBelow || path.isAbsolute(localhostProfile))
    throw configProblem(
      `localhostProfile "${localhostProfile}" must be a path below ${seccompFolder}`,
    );
  const file = path.join(seccompFolder, localhostProfile);
  try {
    return await readLocal(file);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw configProblem(`cannot load seccomp profile "${file}" of ${container}: ${why}`, error);
  }
}

async function readLocal(file: string): Promise<SeccompProfile> {
  await readFile(file);
  return await readSeccompProfile(file);
}

/** The kubelet's: they change the pod's own namespaces only. */
const SAFE_SYSCTLS: ReadonlySet<string> = new Set([
  'kernel.shm_rmid_forced',
  'net.ipv4.ip_local_port_range',
  'net.ipv4.ip_local_reserved_ports',
  'net.ipv4.ip_unprivileged_port_start',
  'net.ipv4.ping_group_range',
  'net.ipv4.tcp_fin_timeout',
  'net.ipv4.tcp_keepalive_intvl',
  'net.ipv4.tcp_keepalive_probes',
  'net.ipv4.tcp_keepalive_time',
  'net.ipv4.tcp_rmem',
  'net.ipv4.tcp_syncookies',
  'net.ipv4.tcp_wmem',
]);
