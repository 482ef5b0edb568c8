import { readFile, realpath, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Container } from '#api/generated/core-v1.ts';
import type { Image } from '#images/image.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import { capabilitiesOf } from '#agent/oci/capabilities.ts';
import type { ContainerPlan } from '#agent/oci/oci-spec.ts';
import { ociSeccomp } from '#agent/oci/seccomp.ts';
import { resolveUser } from '#agent/oci/user.ts';
import type { ConfigReader } from '#agent/pods/config-reader.ts';
import { containerMounts, type MountSources } from '#agent/pods/container-mounts.ts';
import { ContainerProblem, configProblem } from '#agent/pods/container-problem.ts';
import { expand, hostnameOf, resolveEnvironment, type PodFacts } from '#agent/pods/environment.ts';

export interface PlanSources extends PodFacts, MountSources {
  readonly image: Image;
  readonly reader: ConfigReader;
  /** The container's folder, with its root filesystem in `rootfs`. */
  readonly bundle: string;
  readonly id: string;
}

/** Everything of one container looked up. Throws ContainerProblem for what cannot be had. */
export async function planContainer(
  sources: PlanSources,
  parts: Pick<AgentParts, 'runtime' | 'network' | 'seccomp' | 'arch' | 'apiAddress'>,
): Promise<ContainerPlan> {
  const { pod, container, image, reader, address, hostAddress, bundle, id } = sources;
  refuseUnsupported(container);
  const env = await resolveEnvironment({
    pod,
    address,
    hostAddress,
    container,
    reader,
    imageEnv: image.config.Env ?? [],
    platformEnv: {
      ...apiEnvironment(parts.apiAddress()),
      ...(container.tty && { TERM: 'xterm' }),
    },
  });
  const args = [
    ...(container.command ?? image.config.Entrypoint ?? []),
    ...(container.args ?? (container.command ? [] : (image.config.Cmd ?? []))),
  ].map((text) => expand(text, env));
  if (args.length === 0)
    throw configProblem(
      `no command specified: give container "${container.name}" a command, or its image an Entrypoint`,
    );
  const security = container.securityContext ?? {};
  const podSecurity = pod.spec?.securityContext ?? {};
  const [passwd, group] = await Promise.all([
    readInRoot(bundle, '/etc/passwd'),
    readInRoot(bundle, '/etc/group'),
  ]);
  const imageUser = image.config.User ?? '';
  const profile = (security.seccompProfile ?? podSecurity.seccompProfile)?.type ?? 'RuntimeDefault';
  if (profile === 'Localhost')
    throw configProblem('seccompProfile Localhost is not supported yet: use RuntimeDefault');
  const mounts = await containerMounts(sources, env);
  return asConfig(() => {
    const capabilities = capabilitiesOf(security.capabilities);
    return {
      args,
      capabilities,
      env: [...env].map(([name, value]) => `${name}=${value}`),
      isTerminal: container.tty ?? false,
      cwd: container.workingDir || image.config.WorkingDir || '/',
      user: resolveUser({ imageUser, container: security, pod: podSecurity, passwd, group }),
      isRootReadOnly: security.readOnlyRootFilesystem ?? false,
      mayGainPrivileges: security.allowPrivilegeEscalation ?? true,
      ...(profile === 'RuntimeDefault' && {
        seccomp: ociSeccomp(parts.seccomp, { arch: parts.arch, capabilities }),
      }),
      hostname: hostnameOf(pod),
      networkNamespace: parts.network.pathOf(address),
      cgroupsPath: parts.runtime.cgroupsPathOf(id),
      resources: container.resources ?? {},
      mounts,
    };
  });
}

/** Prepares the file that a program may leave its last words in. */
export async function writeTerminationLog(bundle: string): Promise<void> {
  await writeFile(path.join(bundle, 'termination-log'), '', { mode: 0o666 });
}

function refuseUnsupported({ name, securityContext }: Container): void {
  const found = Object.entries({
    'privileged containers': securityContext?.privileged === true,
  }).find(([, isAsked]) => isAsked);
  if (found)
    throw configProblem(`container "${name}" asks for ${found[0]}, which are not supported yet`);
}

function apiEnvironment(address: string | undefined): Readonly<Record<string, string>> {
  if (!address) return {};
  return { KUBERNETES_SERVICE_HOST: address, KUBERNETES_SERVICE_PORT: '443' };
}

const ACCOUNTS_BYTES_MAX = 1024 * 1024;

/** A file of the image; empty where it is absent, or a link that leads out of the image. */
async function readInRoot(bundle: string, name: string): Promise<string> {
  const root = await realpath(path.join(bundle, 'rootfs'));
  const file = await realpath(path.join(root, name)).catch(() => '');
  if (!file.startsWith(`${root}/`)) return '';
  const found = await stat(file);
  // A pipe would never end.
  if (!found.isFile()) return '';
  if (found.size > ACCOUNTS_BYTES_MAX)
    throw configProblem(`the image's ${name} is larger than 1 MiB`);
  return readFile(file, 'utf8');
}

/** The pure parts say what is wrong in a sentence; here it becomes the reason why the container waits. */
function asConfig<T>(build: () => T): T {
  try {
    return build();
  } catch (error) {
    if (error instanceof ContainerProblem || !(error instanceof Error)) throw error;
    throw configProblem(error.message, error);
  }
}
