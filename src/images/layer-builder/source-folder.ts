import { lstat, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { ImageError } from '../image.ts';
import { unlessMissing } from '../missing-file.ts';
import { collectFiles } from './collect-files.ts';
import { IGNORE_BYTES_MAX, type IgnoreRules, parseIgnoreFile } from './ignore-file.ts';
import type { LayerEntry } from './layer-archive.ts';
import { NODE_ENTRIES, readNodeProgram } from './node-program.ts';
import type { Program } from './program.ts';
import { PYTHON_ENTRIES, readPythonProgram } from './python-program.ts';

/** Where a program lies in its image. */
export const APP_FOLDER = '/app';

export interface SourceFolder {
  readonly program: Program;
  readonly source: readonly LayerEntry[];
  /** Empty for a program without dependencies. */
  readonly dependencies: readonly LayerEntry[];
}

const IGNORE_FILE = '.dockerignore';
const INDEX_PAGE = 'index.html';
/** Never a part of the source layer, at the top of a folder. */
const LEFT_OUT = new Set(['.git', 'node_modules', '.venv', IGNORE_FILE]);
/** What Python keeps for itself, with times in it that no clone shares. */
const BYTECODE = '__pycache__';

/**
 * Reads a program's folder: package.json makes it Node's, requirements.txt or a program of Python's names Python's,
 * index.html files to be served, anything else Node's. Throws ImageError `Invalid`, in words for whoever wrote the
 * program, when it cannot be run as an image.
 */
export async function readSourceFolder(folder: string): Promise<SourceFolder> {
  const found = await unlessMissing(lstat(folder));
  if (!found?.isDirectory()) throw new ImageError('Invalid', `source ${folder}: wanted a folder`);
  const program = await readProgram(folder);
  const rules = await readIgnoreFile(folder);
  if (rules.isIgnored(program.entry))
    throw new ImageError(
      'Invalid',
      `source ${folder}: its ${IGNORE_FILE} leaves out ${program.entry}, which is what is to be run`,
    );
  const at = APP_FOLDER.slice(1);
  const walked = await collectFiles({
    root: folder,
    at,
    // A folder with exceptions below it is walked; what they bring back has its folders made again.
    isLeftOut: (relative) =>
      LEFT_OUT.has(relative) ||
      path.basename(relative) === BYTECODE ||
      (!rules.hasExceptions && rules.isIgnored(relative)),
  });
  const source = walked.filter((entry) => !rules.isIgnored(path.relative(at, entry.path)));
  const { dependencies: below } = program;
  const isLeftOut = (relative: string): boolean =>
    program.kind === 'python' && path.basename(relative) === BYTECODE;
  const dependencies =
    below === undefined ? [] : await collectFiles({ root: folder, below, at, isLeftOut });
  return { program, source, dependencies };
}

async function readProgram(folder: string): Promise<Program> {
  const present = new Set(await readdir(folder));
  const hasOne = (names: readonly string[]): boolean => names.some((name) => present.has(name));
  if (present.has('package.json')) return await readNodeProgram(folder, present);
  if (hasOne(['requirements.txt', ...PYTHON_ENTRIES]))
    return await readPythonProgram(folder, present);
  // Pages have an app.js or main.js of their own; a server is called one.
  const isServer = hasOne(NODE_ENTRIES.filter((name) => name.startsWith('server.')));
  if (present.has(INDEX_PAGE) && !isServer) return { kind: 'static', entry: INDEX_PAGE, env: [] };
  return await readNodeProgram(folder, present);
}

async function readIgnoreFile(folder: string): Promise<IgnoreRules> {
  const file = path.join(folder, IGNORE_FILE);
  const found = await unlessMissing(lstat(file));
  if (!found) return parseIgnoreFile('');
  if (!found.isFile() || found.size > IGNORE_BYTES_MAX)
    throw new ImageError('Invalid', `${file}: wanted a file of at most ${IGNORE_BYTES_MAX} bytes`);
  return parseIgnoreFile(await readFile(file, 'utf8'));
}
