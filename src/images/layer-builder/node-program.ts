import { lstat, readFile } from 'node:fs/promises';
import path from 'node:path';
import { ImageError } from '../image.ts';
import { unlessMissing } from '../missing-file.ts';
import type { Program } from './program.ts';

const PACKAGE_BYTES_MAX = 1024 * 1024;
const ENTRY_NAMES = ['server', 'main', 'app', 'index'];
const ENTRY_EXTENSIONS = ['.ts', '.mts', '.js', '.mjs', '.cjs'];

/** Files that Node may be given to run, in the order to look for them. */
export const NODE_ENTRIES = ENTRY_NAMES.flatMap((name) =>
  ENTRY_EXTENSIONS.map((extension) => `${name}${extension}`),
);

/** What Node runs in a folder. Throws ImageError `Invalid` when there is nothing, or its dependencies are not there. */
export async function readNodeProgram(
  folder: string,
  present: ReadonlySet<string>,
): Promise<Program> {
  const { main, hasDependencies } = await readPackage(folder);
  const entry = main ?? NODE_ENTRIES.find((name) => present.has(name));
  if (entry === undefined)
    throw new ImageError(
      'Invalid',
      `source ${folder}: nothing to run; name a file as "main" in package.json, or have a server.ts`,
    );
  const isFile = (await unlessMissing(lstat(path.join(folder, entry))))?.isFile();
  if (!isFile || entry.split('/').includes('..'))
    throw new ImageError(
      'Invalid',
      `source ${folder}: its package.json names ${entry} as main, which is no file of it`,
    );
  if (hasDependencies && !present.has('node_modules'))
    throw new ImageError(
      'Invalid',
      `source ${folder}: its dependencies are not installed; run "npm ci" in it first`,
    );
  return {
    kind: 'node',
    entry,
    env: ['NODE_ENV=production'],
    ...(hasDependencies && { dependencies: 'node_modules' }),
  };
}

async function readPackage(
  folder: string,
): Promise<{ readonly main: string | undefined; readonly hasDependencies: boolean }> {
  const file = path.join(folder, 'package.json');
  const size = (await unlessMissing(lstat(file)))?.size;
  if (size === undefined) return { main: undefined, hasDependencies: false };
  if (size > PACKAGE_BYTES_MAX)
    throw new ImageError('Invalid', `${file}: ${size} bytes, at most ${PACKAGE_BYTES_MAX}`);
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
    throw new ImageError('Invalid', `${file}: it is not JSON`, error);
  }
  if (typeof json !== 'object' || json === null)
    throw new ImageError('Invalid', `${file}: wanted a JSON object`);
  return json;
}
