import type { Stats } from 'node:fs';
import { chmod, mkdir, open, stat } from 'node:fs/promises';
import path from 'node:path';
import type { HostPathVolumeSource } from '#api/generated/core-v1.ts';
import { mountProblem } from '#agent/pods/container-problem.ts';

const CHECKS: Readonly<Record<string, readonly [string, (found: Stats) => boolean]>> = {
  Directory: ['a directory', (found) => found.isDirectory()],
  DirectoryOrCreate: ['a directory', (found) => found.isDirectory()],
  File: ['a file', (found) => found.isFile()],
  FileOrCreate: ['a file', (found) => found.isFile()],
  Socket: ['a socket file', (found) => found.isSocket()],
  CharDevice: ['a character device', (found) => found.isCharacterDevice()],
  BlockDevice: ['a block device', (found) => found.isBlockDevice()],
};

/** A path of the machine, once it is what its type says (core/v1 HostPathType). Throws ContainerProblem. */
export async function hostPath(
  volume: string,
  { path: file, type = '' }: HostPathVolumeSource,
): Promise<string> {
  const found = await stat(file).catch(() => undefined);
  if (!found) await create(file, type, volume);
  const [what, isIt] = CHECKS[type] ?? [];
  if (what === undefined || !isIt || isIt(await stat(file))) return file;
  throw mountProblem(volume, `hostPath type check failed: ${file} is not ${what}`);
}

async function create(file: string, type: string, volume: string): Promise<void> {
  if (type === 'DirectoryOrCreate' || type === '') {
    await mkdir(file, { recursive: true });
    await chmod(file, 0o755);
  } else if (type === 'FileOrCreate') {
    const parent = await stat(path.dirname(file)).catch(() => undefined);
    if (!parent) throw mountProblem(volume, `hostPath: ${path.dirname(file)} is not there`);
    await (await open(file, 'a', 0o644)).close();
  } else {
    const [what] = CHECKS[type] ?? ['there'];
    throw mountProblem(volume, `hostPath type check failed: ${file} is not ${what}`);
  }
}
