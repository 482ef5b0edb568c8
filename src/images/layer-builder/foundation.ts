import { lstat } from 'node:fs/promises';
import path from 'node:path';
import type { ContentStore } from '../content-store.ts';
import { ImageError } from '../image.ts';
import { NODE_IN_IMAGE, nodeBaseLayer, pythonBaseLayer } from './base-layer.ts';
import { type BuiltLayer, writeLayer } from './layer-archive.ts';
import { findPython, LIBRARIES_IN_IMAGE, PYTHON_IN_IMAGE } from './machine-python.ts';
import type { Program } from './source-folder.ts';

/** What a program runs on, and how. */
export interface Foundation {
  /** Lowest first. */
  readonly layers: readonly BuiltLayer[];
  readonly env: readonly string[];
  readonly command: readonly string[];
}

export interface FoundationOptions {
  readonly store: ContentStore;
  readonly nodePath: string;
  readonly pythonPath?: string;
  readonly onProgress: (step: string) => void;
}

const FILE_SERVER = path.join(import.meta.dirname, 'serve-files.ts');
const FILE_SERVER_IN_IMAGE = '/usr/local/lib/knode/serve-files.ts';

/** Makes of this machine what such a program runs on. Throws ImageError. */
export async function foundationOf(
  program: Program,
  options: FoundationOptions,
): Promise<Foundation> {
  const { store, onProgress } = options;
  if (program.kind === 'python') return await pythonFoundation(program, options);
  onProgress('base layer: Node and its libraries from this machine');
  const layers = [await nodeBaseLayer(store, options.nodePath)];
  const { entry, env } = program;
  if (program.kind === 'node') return { layers, env, command: [NODE_IN_IMAGE, entry] };
  onProgress('file server layer');
  const { size } = await lstat(FILE_SERVER);
  const at = FILE_SERVER_IN_IMAGE.slice(1);
  layers.push(
    await writeLayer(store, [{ kind: 'file', path: at, mode: 0o644, source: FILE_SERVER, size }]),
  );
  return { layers, env, command: [NODE_IN_IMAGE, FILE_SERVER_IN_IMAGE] };
}

async function pythonFoundation(
  { entry, env, pythonVersion }: Program,
  { store, pythonPath = 'python3', onProgress }: FoundationOptions,
): Promise<Foundation> {
  const python = await findPython(pythonPath);
  if (pythonVersion !== undefined && pythonVersion !== python.version)
    throw new ImageError(
      'Invalid',
      `its requirements are installed for Python ${pythonVersion}, this machine's ${pythonPath} is ${python.version}: install them with that one`,
    );
  onProgress(`base layer: Python ${python.version} and its libraries from this machine`);
  return {
    layers: [await pythonBaseLayer(store, python)],
    env: [...env, `LD_LIBRARY_PATH=${LIBRARIES_IN_IMAGE}`],
    command: [PYTHON_IN_IMAGE, entry],
  };
}
