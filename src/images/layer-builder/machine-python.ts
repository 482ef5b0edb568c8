import { readdir, realpath, stat } from 'node:fs/promises';
import path from 'node:path';
import { CommandError, runCommand } from '#base/command.ts';
import { ImageError } from '../image.ts';
import { hasCode, unlessMissing } from '../missing-file.ts';
import type { MachineFile } from './machine-file.ts';
import { librariesOfModules, sharedLibrariesOf } from './shared-libraries.ts';

/** Where a program finds Python in an image. */
export const PYTHON_IN_IMAGE = '/usr/local/bin/python3';
/** Where libraries lie that the machine keeps where nobody else may look: below a home, as pyenv has them. */
export const LIBRARIES_IN_IMAGE = '/usr/local/lib';

/** A Python of this machine. */
export interface MachinePython {
  readonly executable: string;
  /** `3.11`. */
  readonly version: string;
  /** Folders of the standard library: its Python and its compiled part, which most machines keep together. */
  readonly libraries: readonly string[];
}

const QUESTION = `
import json, sys, sysconfig
paths = [sysconfig.get_path(name) for name in ("stdlib", "platstdlib")]
print(json.dumps([sys.executable, "%d.%d" % sys.version_info[:2], paths]))
`;
/** What no server needs of the standard library, and what is the machine's own. */
const LEFT_OUT =
  /^(?:__pycache__|(?:site|dist)-packages|sitecustomize\.py|test|tests|idlelib|tkinter|turtledemo|lib2to3|ensurepip|pydoc_data|config-.*|_tkinter.*)$/;
const FILES_MAX = 20_000;

/** Asks a Python, by name or path, what it is. Throws ImageError `NotFound` when there is none. */
export async function findPython(program: string): Promise<MachinePython> {
  try {
    const output = await runCommand([program, '-I', '-c', QUESTION]);
    // Printed by the lines above.
    const [executable, version, paths] = JSON.parse(output) as [string, string, string[]];
    return { executable: await realpath(executable), version, libraries: [...new Set(paths)] };
  } catch (error) {
    if (!(error instanceof CommandError) && !hasCode(error, 'ENOENT', 'EACCES')) throw error;
    throw new ImageError(
      'NotFound',
      `${program}: cannot be run on this machine; install Python 3 or name a base image`,
      error,
    );
  }
}

/** Everything of a Python that goes into an image, below /usr/local, where it finds its library by itself. */
export async function pythonFiles(python: MachinePython): Promise<readonly MachineFile[]> {
  const files: MachineFile[] = [];
  for (const folder of python.libraries) {
    // lib/python3.11, or lib64/python3.11: what the interpreter was built to look for below its prefix.
    const parts = [path.basename(path.dirname(folder)), path.basename(folder)];
    await collectLibrary(files, folder, path.posix.join('/usr/local', ...parts));
  }
  const modules = files.map(({ from }) => from).filter((file) => file.endsWith('.so'));
  const loaded = [
    ...(await sharedLibrariesOf(python.executable)),
    ...(await librariesOfModules(modules)),
  ].map((file) => path.normalize(file));
  return [
    { from: python.executable, to: PYTHON_IN_IMAGE },
    ...loaded.map((from) => ({ from, to: libraryInImage(from) })),
    ...files,
  ];
}

function libraryInImage(file: string): string {
  const isSystem = /^\/(?:usr\/)?lib/.test(file);
  return isSystem ? file : path.join(LIBRARIES_IN_IMAGE, path.basename(file));
}

async function collectLibrary(files: MachineFile[], folder: string, to: string): Promise<void> {
  for (const name of (await readdir(folder)).toSorted()) {
    if (LEFT_OUT.test(name)) continue;
    const from = path.join(folder, name);
    // Distributions keep parts of it elsewhere, by links; one that leads nowhere is nobody's.
    const status = await unlessMissing(stat(from));
    if (status?.isDirectory()) await collectLibrary(files, from, path.posix.join(to, name));
    else if (status?.isFile()) files.push({ from, to: path.posix.join(to, name) });
    if (files.length > FILES_MAX)
      throw new ImageError('Invalid', `${folder}: a standard library of over ${FILES_MAX} files`);
  }
}
