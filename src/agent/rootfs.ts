import { execFile } from 'node:child_process';
import { lstat, mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { runCommand } from '#base/command.ts';

/** How containers get their own copy of an image: a layer on top that only they see, or real copies. */
export type RootfsMethod = 'overlay' | 'copy';

export interface RootfsOptions {
  /** Unpacked layers, lowest first. */
  readonly layers: readonly string[];
  /** The container's folder; the root filesystem appears in its `rootfs`. */
  readonly bundle: string;
  readonly method: RootfsMethod;
}

export async function createRootfs({ layers, bundle, method }: RootfsOptions): Promise<void> {
  const folders = ['rootfs', 'upper', 'work'].map((name) => path.join(bundle, name));
  await Promise.all(folders.map((folder) => mkdir(folder, { recursive: true })));
  if (method === 'copy') await copyLayers(layers, path.join(bundle, 'rootfs'));
  else await mountOverlay(layers, bundle);
}

/** Unmounts everything at and below `folder`, also what an earlier process mounted, then removes it. */
export async function removeMounted(folder: string): Promise<void> {
  for (const target of await mountsBelow(folder)) await runCommand(['umount', '--lazy', target]);
  // What is mounted may be somebody's data.
  const [left] = await mountsBelow(folder);
  if (left !== undefined) throw new Error(`Cannot remove ${folder}: ${left} is still mounted`);
  await rm(folder, { recursive: true, force: true });
}

/** Whether something is mounted at a file or folder: it is on another file system than the folder it is in. */
export async function isMounted(target: string): Promise<boolean> {
  const [own, above] = await Promise.all([
    stat(target).catch(() => undefined),
    stat(path.dirname(target)),
  ]);
  return own !== undefined && own.dev !== above.dev;
}

/** `copy` where this machine refuses overlayfs, as it does inside most containers. Tried in `scratch`, which is removed. */
export async function chooseRootfsMethod(scratch: string): Promise<RootfsMethod> {
  const lower = path.join(scratch, 'lower');
  await mkdir(lower, { recursive: true });
  try {
    await createRootfs({ layers: [lower], bundle: scratch, method: 'overlay' });
    return 'overlay';
  } catch {
    return 'copy';
  } finally {
    await removeMounted(scratch);
  }
}

/**
 * All option text of a mount must fit a page (4096 bytes), which the paths of thirty layers exceed: they are named
 * relative to the folder they share.
 */
async function mountOverlay(layers: readonly string[], bundle: string): Promise<void> {
  const base = sharedFolder(layers);
  const lower = layers.toReversed().map((layer) => escape(path.relative(base, layer) || '.'));
  const upper = escape(path.join(bundle, 'upper'));
  const work = escape(path.join(bundle, 'work'));
  const options = `lowerdir=${lower.join(':')},upperdir=${upper},workdir=${work}`;
  await runCommand(
    ['mount', '-t', 'overlay', 'overlay', '-o', options, path.join(bundle, 'rootfs')],
    {
      cwd: base,
    },
  );
}

function sharedFolder(layers: readonly string[]): string {
  const [first = '/', ...rest] = layers.map((layer) => path.dirname(layer));
  let shared = first;
  while (!rest.every((folder) => `${folder}/`.startsWith(shared === '/' ? '/' : `${shared}/`)))
    shared = path.dirname(shared);
  return shared;
}

function escape(text: string): string {
  return text.replaceAll(/[\\:,]/g, '\\$&');
}

const run = promisify(execFile);

/** Layers hold deletions as overlayfs does: a character device 0/0 in place of what is gone. */
async function copyLayers(layers: readonly string[], target: string): Promise<void> {
  for (const layer of layers) {
    const gone = await makeWay(layer, target);
    await run('cp', ['-a', '--reflink=auto', '--', `${layer}/.`, target]);
    for (const file of gone) await rm(file, { force: true });
  }
}

/**
 * Removes from `target` what the layer replaces, because cp would write through a link of a lower layer, out of the
 * container. Parents come first, so no link is ever above a path that is removed. Returns where whiteouts will be.
 */
async function makeWay(layer: string, target: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(layer, { withFileTypes: true })) {
    const source = path.join(layer, entry.name);
    const place = path.join(target, entry.name);
    const below = await lstat(place).catch(() => undefined);
    if (entry.isDirectory() && below?.isDirectory()) {
      found.push(...(await makeWay(source, place)));
      continue;
    }
    if (below) await rm(place, { recursive: true, force: true });
    if (entry.isDirectory()) found.push(...(await makeWay(source, place)));
    else if (entry.isCharacterDevice() && (await lstat(source)).rdev === 0) found.push(place);
  }
  return found;
}

/** Deepest first. */
async function mountsBelow(folder: string): Promise<string[]> {
  const table = await readFile('/proc/self/mountinfo', 'utf8');
  const targets = table.split('\n').map((line) => unescapeOctal(line.split(' ')[4] ?? ''));
  return targets
    .filter((target) => target === folder || target.startsWith(`${folder}/`))
    .toSorted((a, b) => b.length - a.length);
}

/** The kernel writes spaces and the like as `\040`. */
function unescapeOctal(text: string): string {
  return text.replaceAll(/\\(\d{3})/g, (_all, code: string) =>
    String.fromCharCode(Number.parseInt(code, 8)),
  );
}
