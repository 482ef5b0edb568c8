import { lstat, readdir, readFile, readlink } from 'node:fs/promises';
import path from 'node:path';
import { unlessMissing } from '../missing-file.ts';
import type { LayerEntry } from './layer-archive.ts';

/** Where a program lies in its image. */
export const APP_FOLDER = '/app';

export interface SourceFolder {
  /** The file that Node runs, relative to the folder. */
  readonly entry: string;
  readonly source: readonly LayerEntry[];
  /** What `npm` installed; empty for a program without dependencies. */
  readonly dependencies: readonly LayerEntry[];
}

const FILES_MAX = 100_000;
const PACKAGE_BYTES_MAX = 1024 * 1024;
const LEFT_OUT = new Set(['.git', 'node_modules']);
const ENTRY_NAMES = ['server', 'main', 'app', 'index'];
const ENTRY_EXTENSIONS = ['.ts', '.mts', '.js', '.mjs', '.cjs'];

/** Reads a Node program's folder. Throws, in words for whoever wrote the program, when it cannot be run as an image. */
export async function readSourceFolder(folder: string): Promise<SourceFolder> {
  const found = await unlessMissing(lstat(folder));
  if (!found?.isDirectory()) throw new Error(`source ${folder}: wanted a folder`);
  const { main, hasDependencies } = await readPackage(folder);
  const entry = main ?? (await guessEntry(folder));
  const isFile = (await unlessMissing(lstat(path.join(folder, entry))))?.isFile();
  if (!isFile || entry.split('/').includes('..'))
    throw new Error(
      `source ${folder}: its package.json names ${entry} as main, which is no file of it`,
    );
  const modules = path.join(folder, 'node_modules');
  if (hasDependencies && !(await unlessMissing(lstat(modules))))
    throw new Error(
      `source ${folder}: its dependencies are not installed; run "npm ci" in it first`,
    );
  const walk = { root: folder, entries: [] as LayerEntry[] };
  await collect(walk, '', LEFT_OUT);
  const installed = { root: folder, entries: [] as LayerEntry[] };
  if (hasDependencies) await collect(installed, 'node_modules', new Set());
  return { entry, source: walk.entries, dependencies: installed.entries };
}

async function readPackage(
  folder: string,
): Promise<{ readonly main: string | undefined; readonly hasDependencies: boolean }> {
  const file = path.join(folder, 'package.json');
  const size = (await unlessMissing(lstat(file)))?.size;
  if (size === undefined) return { main: undefined, hasDependencies: false };
  if (size > PACKAGE_BYTES_MAX)
    throw new Error(`${file}: ${size} bytes, at most ${PACKAGE_BYTES_MAX}`);
  const json = parseJson(await readFile(file, 'utf8'), file);
  const main = 'main' in json && typeof json.main === 'string' ? json.main : undefined;
  const dependencies = 'dependencies' in json ? json.dependencies : undefined;
  return {
    main: main === undefined ? undefined : path.posix.normalize(main),
    hasDependencies:
      typeof dependencies === 'object' &&
      dependencies !== null &&
      Object.keys(dependencies).length > 0,
  };
}

function parseJson(text: string, file: string): object {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new Error(`${file}: it is not JSON`, { cause: error });
  }
  if (typeof json !== 'object' || json === null) throw new Error(`${file}: wanted a JSON object`);
  return json;
}

async function guessEntry(folder: string): Promise<string> {
  const present = new Set(await readdir(folder));
  const candidates = ENTRY_NAMES.flatMap((name) => ENTRY_EXTENSIONS.map((end) => `${name}${end}`));
  const entry = candidates.find((name) => present.has(name));
  if (entry === undefined)
    throw new Error(
      `source ${folder}: nothing to run; name a file as "main" in package.json, or have a server.ts`,
    );
  return entry;
}

interface Walk {
  readonly root: string;
  readonly entries: LayerEntry[];
}

async function collect(walk: Walk, below: string, leftOut: ReadonlySet<string>): Promise<void> {
  for (const name of await readdir(path.join(walk.root, below))) {
    if (leftOut.has(name)) continue;
    if (walk.entries.length >= FILES_MAX)
      throw new Error(`source ${walk.root}: more than ${FILES_MAX} files`);
    const relative = path.posix.join(below, name);
    const found = await lstat(path.join(walk.root, relative));
    const at = path.posix.join(APP_FOLDER.slice(1), relative);
    if (found.isDirectory()) {
      walk.entries.push({ kind: 'folder', path: at, mode: 0o755 });
      await collect(walk, relative, new Set());
    } else if (found.isSymbolicLink()) walk.entries.push(await linkEntry(walk.root, relative, at));
    else if (found.isFile()) {
      // Only what everybody agrees on is kept of the mode, so that a clone's umask does not change the digest.
      const mode = (found.mode & 0o100) === 0 ? 0o644 : 0o755;
      const source = path.join(walk.root, relative);
      walk.entries.push({ kind: 'file', path: at, mode, source, size: found.size });
    } else throw new Error(`source ${walk.root}: ${relative} is no file, folder or link`);
  }
}

/** A link that leads out of the folder leads nowhere in the image. */
async function linkEntry(root: string, relative: string, at: string): Promise<LayerEntry> {
  const target = await readlink(path.join(root, relative));
  const lands = path.posix.normalize(path.posix.join(path.posix.dirname(relative), target));
  if (path.isAbsolute(target) || lands === '..' || lands.startsWith('../'))
    throw new Error(`source ${root}: link ${relative} leads out of the folder, to ${target}`);
  return { kind: 'symlink', path: at, target };
}
