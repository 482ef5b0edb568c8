import { chmod, mkdir, realpath, stat, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { configProblem } from '#agent/pods/container-problem.ts';
import { openPath, pathOf } from '#agent/volumes/open-path.ts';

/**
 * Opens what `subPath` names below a volume's folder, and makes it a folder where nothing is there. Links within the volume
 * are followed; one that leads out of it is refused, also if a program of the pod puts it there meanwhile: every name is
 * opened below the one before. The caller closes the handle. Throws ContainerProblem.
 */
export async function openSubPath(folder: string, subPath: string): Promise<FileHandle> {
  const names = subPath.split('/').filter((name) => name !== '' && name !== '.');
  if (path.isAbsolute(subPath) || names.includes('..'))
    throw configProblem(`subPath "${subPath}" must be a relative path and must not contain ".."`);
  const root = await realpath(folder);
  const { mode } = await stat(root);
  const [known, absent] = await deepestKnown(root, names);
  if (known !== root && !known.startsWith(`${root === '/' ? '' : root}/`))
    throw leavesVolume(subPath);
  let handle = await openPath(root);
  try {
    for (const name of path.relative(root, known).split('/').filter(Boolean))
      handle = await descend(handle, name, subPath);
    for (const name of absent) {
      await makeFolder(path.join(pathOf(handle), name), mode & 0o7777);
      handle = await descend(handle, name, subPath);
    }
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** The real path of the longest beginning that exists, and the names after it. */
async function deepestKnown(
  root: string,
  names: readonly string[],
): Promise<[string, readonly string[]]> {
  for (let count = names.length; count > 0; count -= 1) {
    const found = await realpath(path.join(root, ...names.slice(0, count))).catch(
      (error: NodeJS.ErrnoException) => {
        if (error.code === 'ENOENT') return undefined;
        throw configProblem(`subPath "${names.join('/')}" cannot be used: ${error.message}`, error);
      },
    );
    if (found !== undefined) return [found, names.slice(count)];
  }
  return [root, names];
}

async function makeFolder(folder: string, mode: number): Promise<void> {
  try {
    await mkdir(folder);
    await chmod(folder, mode);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}

/** Closes the folder in exchange for what is in it. */
async function descend(folder: FileHandle, name: string, subPath: string): Promise<FileHandle> {
  const next = await openPath(path.join(pathOf(folder), name));
  if ((await next.stat()).isSymbolicLink()) {
    await next.close();
    throw leavesVolume(subPath);
  }
  await folder.close();
  return next;
}

function leavesVolume(subPath: string): Error {
  return configProblem(
    `subPath "${subPath}" leads out of its volume, or to a link that is not there`,
  );
}
