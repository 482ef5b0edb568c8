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
    syscalls: profile.syscalls.filter(isMet).map(({ names: calls, action, errnoRet, args }) => ({
      names: calls,
      action,
      ...(errnoRet !== undefined && { errnoRet }),
      ...(args && args.length > 0 && { args }),
    })),
  };
}
