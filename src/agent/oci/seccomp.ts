import { readFile } from 'node:fs/promises';

/** The filter as runc takes it (OCI runtime spec, config-linux, seccomp). */
export interface OciSeccomp {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly architectures: readonly string[];
  readonly syscalls: readonly OciSyscall[];
}

interface OciSyscall {
  readonly names: readonly string[];
  readonly action: string;
  readonly errnoRet?: number;
  readonly args?: readonly { index: number; value: number; valueTwo: number; op: string }[];
}

/** The profile format of containers-common: OCI's, with conditions on architecture and capabilities. */
export interface SeccompProfile {
  readonly defaultAction: string;
  readonly defaultErrnoRet?: number;
  readonly archMap?: readonly {
    readonly architecture: string;
    readonly subArchitectures?: readonly string[];
  }[];
  readonly syscalls: readonly (Omit<OciSyscall, 'args'> & {
    readonly args?: OciSyscall['args'] | null;
    readonly includes?: Condition;
    readonly excludes?: Condition;
  })[];
}

interface Condition {
  readonly arches?: readonly string[];
  readonly caps?: readonly string[];
}

/** By Node's `process.arch`: the names of the profile's conditions and of libseccomp. */
const ARCHITECTURES: Readonly<
  Record<string, { readonly profile: string; readonly seccomp: string }>
> = {
  x64: { profile: 'amd64', seccomp: 'SCMP_ARCH_X86_64' },
  arm64: { profile: 'arm64', seccomp: 'SCMP_ARCH_AARCH64' },
};

const SECCOMP_PROFILE = '/usr/share/containers/seccomp.json';

export async function readSeccompProfile(file = SECCOMP_PROFILE): Promise<SeccompProfile> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new Error(
      `Cannot read the seccomp profile ${file}: install the package golang-github-containers-common`,
      { cause },
    );
  });
  return JSON.parse(text) as SeccompProfile;
}

/** What the profile means for a container with these capabilities on this architecture. */
export function ociSeccomp(
  profile: SeccompProfile,
  { arch, capabilities }: { readonly arch: string; readonly capabilities: readonly string[] },
): OciSeccomp {
  const names = ARCHITECTURES[arch];
  if (!names) throw new Error(`Cannot filter system calls on "${arch}": wanted x64 or arm64`);
  const family = profile.archMap?.find((each) => each.architecture === names.seccomp);
  const holds = ({ arches, caps }: Condition): boolean =>
    (!arches || arches.includes(names.profile)) &&
    (!caps || caps.every((cap) => capabilities.includes(cap)));
  const isMet = ({ includes = {}, excludes = {} }: SeccompProfile['syscalls'][number]): boolean =>
    holds(includes) &&
    !excludes.arches?.includes(names.profile) &&
    !excludes.caps?.some((cap) => capabilities.includes(cap));
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet !== undefined && { defaultErrnoRet: profile.defaultErrnoRet }),
    architectures: [names.seccomp, ...(family?.subArchitectures ?? [])],
    syscalls: withoutNamespaces(
      profile.syscalls.filter(isMet).map(({ names: calls, action, errnoRet, args }) => ({
        names: calls,
        action,
        ...(errnoRet !== undefined && { errnoRet }),
        ...(args && args.length > 0 && { args }),
      })),
      capabilities,
    ),
  };
}

/** Of whoever makes a user namespace, the kernel asks for no capability; inside of it there are all. */
const ADMIN_CALLS: ReadonlySet<string> = new Set([
  'unshare',
  'setns',
  'mount',
  'mount_setattr',
  'move_mount',
  'umount',
  'umount2',
  'fsconfig',
  'fsmount',
  'fsopen',
  'fspick',
  'open_tree',
  'pivot_root',
]);
/** All CLONE_NEW… flags (clone(2)). */
const NEW_NAMESPACES = 0x7e02_0000;
const EPERM = 1;
const ENOSYS = 38;

/**
 * The profile is podman's, which lets containers hold containers. Kubernetes' default is Docker's, where that takes
 * CAP_SYS_ADMIN: a hostile program has less of the kernel to try.
 */
function withoutNamespaces(
  syscalls: readonly OciSyscall[],
  capabilities: readonly string[],
): readonly OciSyscall[] {
  if (capabilities.includes('CAP_SYS_ADMIN')) return syscalls;
  const narrowed = (name: string): boolean =>
    ADMIN_CALLS.has(name) || name === 'clone' || name === 'clone3';
  const others = syscalls
    .map((rule) => ({ ...rule, names: rule.names.filter((name) => !narrowed(name)) }))
    .filter(({ names }) => names.length > 0);
  const args = [{ index: 0, value: NEW_NAMESPACES, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }];
  return [
    ...others,
    { names: [...ADMIN_CALLS], action: 'SCMP_ACT_ERRNO', errnoRet: EPERM },
    { names: ['clone'], action: 'SCMP_ACT_ALLOW', args },
    // Its flags are in memory, where no filter looks; C libraries then use clone.
    { names: ['clone3'], action: 'SCMP_ACT_ERRNO', errnoRet: ENOSYS },
  ];
}
