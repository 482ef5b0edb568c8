import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { runCommand } from '#base/command.ts';
import type { Container, VolumeMount } from '#api/generated/core-v1.ts';
import type { OciMount } from '#agent/oci/oci-spec.ts';
import { configProblem } from '#agent/pods/container-problem.ts';
import { expand } from '#agent/pods/environment.ts';
import { pathOf } from '#agent/volumes/open-path.ts';
import { openSubPath } from '#agent/volumes/sub-path.ts';
import { placeOf, type VolumeSources } from '#agent/volumes/volumes.ts';

export interface MountSources extends Pick<VolumeSources, 'pod' | 'client' | 'volumesFolder'> {
  readonly container: Container;
  /** The pod's folder, with `etc` and `volumes`. */
  readonly podFolder: string;
  /** The container's folder. */
  readonly bundle: string;
  /** What has to stay until the container is made. */
  readonly keep: AsyncDisposableStack;
}

/** What a container sees besides its image. Throws ContainerProblem. */
export async function containerMounts(
  sources: MountSources,
  env: ReadonlyMap<string, string>,
): Promise<readonly OciMount[]> {
  const { container, podFolder, bundle } = sources;
  const etc = ['hosts', 'hostname', 'resolv.conf'].map((name) =>
    bind(path.join(podFolder, 'etc', name), `/etc/${name}`, ['rprivate', 'rw']),
  );
  const lastWords = bind(
    path.join(bundle, 'termination-log'),
    container.terminationMessagePath ?? '/dev/termination-log',
    ['rprivate', 'rw'],
  );
  const volumes: OciMount[] = [];
  for (const mount of container.volumeMounts ?? [])
    volumes.push(await volumeMount(mount, sources, env));
  return [...etc, lastWords, ...volumes];
}

async function volumeMount(
  mount: VolumeMount,
  sources: MountSources,
  env: ReadonlyMap<string, string>,
): Promise<OciMount> {
  const { pod, container, podFolder, keep } = sources;
  const volume = pod.spec?.volumes?.find((each) => each.name === mount.name);
  if (!volume)
    throw configProblem(
      `container "${container.name}" mounts volume "${mount.name}", which the pod does not have`,
    );
  const place = await placeOf(volume, { ...sources, folder: path.join(podFolder, 'volumes') });
  const isWritable = place.isWritable && mount.readOnly !== true;
  const isSealed = !isWritable && (mount.recursiveReadOnly ?? 'Disabled') !== 'Disabled';
  const options = [propagationOf(mount), isWritable ? 'rw' : isSealed ? 'rro' : 'ro'];
  const subPath = mount.subPath || expanded(mount.subPathExpr, env);
  if (!subPath) return bind(place.path, mount.mountPath, options);
  const at = container.volumeMounts?.indexOf(mount) ?? 0;
  const source = await mountSubPath(place.path, subPath, {
    target: path.join(sources.bundle, 'sub-paths', String(at)),
    keep,
  });
  return bind(source, mount.mountPath, options);
}

/**
 * Mounts what was opened, not what its name leads to by then, where the runtime takes it from; the container then has it as
 * its own, and this one goes.
 */
async function mountSubPath(
  folder: string,
  subPath: string,
  { target, keep }: { readonly target: string; readonly keep: AsyncDisposableStack },
): Promise<string> {
  await using handle = await openSubPath(folder, subPath);
  if ((await handle.stat()).isDirectory()) await mkdir(target, { recursive: true });
  else {
    await mkdir(path.dirname(target), { recursive: true });
    await writeFile(target, '');
  }
  // Without the flag mount would look for the name that the handle had once.
  await runCommand(['mount', '--no-canonicalize', '--rbind', pathOf(handle), target]);
  keep.defer(async () => void (await runCommand(['umount', '--lazy', target])));
  return target;
}

function bind(source: string, destination: string, options: readonly string[]): OciMount {
  return { source, destination, type: 'bind', options: ['rbind', ...options] };
}

/** Whether mounts that are made later are seen on the other side (core/v1 VolumeMount.mountPropagation). */
function propagationOf({ mountPropagation }: VolumeMount): string {
  if (mountPropagation === 'Bidirectional') return 'rshared';
  return mountPropagation === 'HostToContainer' ? 'rslave' : 'rprivate';
}

function expanded(
  expression: string | undefined,
  env: ReadonlyMap<string, string>,
): string | undefined {
  if (!expression) return undefined;
  for (const [, name = ''] of expression.replaceAll('$$', '').matchAll(/\$\(([^)]*)\)/g)) {
    if (!env.has(name))
      throw configProblem(`cannot expand subPathExpr "${expression}": "${name}" is not set`);
  }
  return expand(expression, env);
}
