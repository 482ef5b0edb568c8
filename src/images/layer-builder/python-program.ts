import { lstat, readdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { ImageError } from '../image.ts';
import { unlessMissing } from '../missing-file.ts';
import type { Program } from './program.ts';

/** Where `python3 -m venv` and the tools after it put what a program needs. */
const ENVIRONMENT = '.venv';
const REQUIREMENTS_BYTES_MAX = 1024 * 1024;

/** Files that Python may be given to run, in the order to look for them. */
export const PYTHON_ENTRIES = ['server.py', 'main.py', 'app.py', '__main__.py'];

/** What Python runs in a folder. Throws ImageError `Invalid` when there is nothing, or its requirements are not there. */
export async function readPythonProgram(
  folder: string,
  present: ReadonlySet<string>,
): Promise<Program> {
  const entry = PYTHON_ENTRIES.find((name) => present.has(name));
  if (entry === undefined)
    throw new ImageError(
      'Invalid',
      `source ${folder}: nothing to run; wanted one of ${PYTHON_ENTRIES.join(', ')}`,
    );
  const env = ['PYTHONUNBUFFERED=1', 'PYTHONDONTWRITEBYTECODE=1'];
  if (!(await hasRequirements(folder))) return { kind: 'python', entry, env };
  const version = await installedVersion(folder);
  if (version === undefined)
    throw new ImageError(
      'Invalid',
      `source ${folder}: its requirements are not installed; run "python3 -m venv ${ENVIRONMENT} && ${ENVIRONMENT}/bin/pip install -r requirements.txt" in it first`,
    );
  const dependencies = `${ENVIRONMENT}/lib/python${version}/site-packages`;
  return {
    kind: 'python',
    entry,
    env: [...env, `PYTHONPATH=/app/${dependencies}`],
    dependencies,
    pythonVersion: version,
  };
}

async function hasRequirements(folder: string): Promise<boolean> {
  const file = path.join(folder, 'requirements.txt');
  const size = (await unlessMissing(lstat(file)))?.size;
  if (size === undefined) return false;
  if (size > REQUIREMENTS_BYTES_MAX)
    throw new ImageError('Invalid', `${file}: ${size} bytes, at most ${REQUIREMENTS_BYTES_MAX}`);
  const lines = (await readFile(file, 'utf8')).split('\n').map((line) => line.trim());
  return lines.some((line) => line !== '' && !line.startsWith('#'));
}

/** `3.11` of the environment in the folder; undefined without one. */
async function installedVersion(folder: string): Promise<string | undefined> {
  const names = (await unlessMissing(readdir(path.join(folder, ENVIRONMENT, 'lib')))) ?? [];
  return names.flatMap((name) => /^python(\d+\.\d+)$/.exec(name)?.[1] ?? []).at(0);
}
