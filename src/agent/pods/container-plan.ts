import { chmod, readFile, realpath, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Image } from '#images/image.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import type { ContainerPlan } from '#agent/oci/oci-spec.ts';
import { oomScoreAdjOf, resourcesOf } from '#agent/pods/container-resources.ts';
import { securityPlan } from '#agent/pods/security-plan.ts';
import { serviceEnvironment } from '#agent/pods/service-environment.ts';
import { resolveUser } from '#agent/oci/user.ts';
import type { ConfigReader } from '#agent/pods/config-reader.ts';
import { containerMounts, type MountSources } from '#agent/pods/container-mounts.ts';
import { ContainerProblem, configProblem } from '#agent/pods/container-problem.ts';
import { expand, machineName, resolveEnvironment, type PodFacts } from '#agent/pods/environment.ts';

export interface PlanSources
  extends PodFacts, MountSources, Pick<ContainerPlan, 'joined' | 'sharedMemory'> {
  readonly image: Image;
  readonly reader: ConfigReader;
  /** The container's folder, with its root filesystem in `rootfs`. */
  readonly bundle: string;
  readonly id: string;
}

/** Everything of one container looked up. Throws ContainerProblem for what cannot be had. */
export async function planContainer(
  sources: PlanSources,
  parts: Pick<
    AgentParts,
    'runtime' | 'seccomp' | 'seccompFolder' | 'arch' | 'servicesOf' | 'clusterDomain'
  >,
): Promise<ContainerPlan> {
  const { pod, container, image, reader, address, hostAddress, bundle, id } = sources;
  const env = await resolveEnvironment({
    pod,
    address,
    hostAddress,
    container,
    reader,
    imageEnv: image.config.Env ?? [],
    platformEnv: {
      ...serviceEnvironment(pod, parts.servicesOf),
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
  const secured = await securityPlan(pod, container, parts);
  const mounts = await containerMounts(sources, env);
  const oomScoreAdj = await oomScoreAdjOf(pod, container);
  return asConfig(() => {
    return {
      ...secured,
      args,
      env: [...env].map(([name, value]) => `${name}=${value}`),
      isTerminal: container.tty ?? false,
      cwd: container.workingDir || image.config.WorkingDir || '/',
      user: resolveUser({ imageUser, container: security, pod: podSecurity, passwd, group }),
      hostname: machineName(pod, parts.clusterDomain),
      joined: sources.joined,
      ...(sources.sharedMemory !== undefined && { sharedMemory: sources.sharedMemory }),
      cgroupsPath: parts.runtime.cgroupsPathOf(id),
      resources: resourcesOf(pod, container),
      oomScoreAdj,
      mounts,
    };
  });
}

/** Prepares the file that a program may leave its last words in, whoever it runs as. */
export async function writeTerminationLog(bundle: string): Promise<void> {
  const file = path.join(bundle, 'termination-log');
  await writeFile(file, '');
  // A mode that is given at the creation is less the umask.
  await chmod(file, 0o666);
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
