import { lstat } from 'node:fs/promises';
import path from 'node:path';
import type { ContentStore } from '../content/content-store.ts';
import { ImageError } from '../image.ts';
import { OCI_LAYER, type Platform } from '../manifest.ts';
import { type BaseImage, fetchBase, type ImageLayer } from './base-image.ts';
import { NODE_IN_IMAGE, nodeBaseLayer, pythonBaseLayer } from './base-layer.ts';
import { type BuiltLayer, type LayerEntry, writeLayer } from './layer-archive.ts';
import { findPython, LIBRARIES_IN_IMAGE, PYTHON_IN_IMAGE } from './machine-python.ts';
import { PLAIN_TYPESCRIPT_ENV, withoutTypes } from './plain-typescript.ts';
import type { Program } from './program.ts';

/** What a program runs on, and how. */
export interface Foundation {
  /** Lowest first. */
  readonly layers: readonly ImageLayer[];
  readonly env: readonly string[];
  readonly command: readonly string[];
  /** What image it came from, in OCI's words. */
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface FoundationOptions {
  readonly store: ContentStore;
  readonly nodePath: string;
  readonly pythonPath?: string;
  /** Taken instead of this machine's Node and Python. */
  readonly base?: BaseImage;
  readonly platform: Platform;
  readonly onProgress: (step: string) => void;
  readonly signal: AbortSignal;
}

const FILE_SERVER = path.join(import.meta.dirname, 'serve-files.ts');
const FILE_SERVER_IN_IMAGE = '/usr/local/lib/knode/serve-files.ts';

const PATH_IN_IMAGE = 'PATH=/usr/local/bin:/usr/bin:/bin';

/** Makes what such a program runs on, of this machine or of an image. Throws ImageError. */
export async function foundationOf(
  program: Program,
  options: FoundationOptions,
): Promise<Foundation> {
  const { base } = options;
  if (base) return await imageFoundation(program, base, options);
  return program.kind === 'python'
    ? await pythonFoundation(program, options)
    : await nodeFoundation(program, options);
}

/** As a manifest names a layer that was built here. */
export function plainLayer(layer: BuiltLayer): ImageLayer {
  return { mediaType: OCI_LAYER, ...layer, diffId: layer.digest };
}

async function nodeFoundation(
  { kind, entry, env }: Program,
  { store, nodePath, onProgress }: FoundationOptions,
): Promise<Foundation> {
  onProgress('base layer: Node and its libraries from this machine');
  const base = plainLayer(await nodeBaseLayer(store, nodePath));
  const isStatic = kind === 'static';
  return {
    layers: isStatic ? [base, await fileServerLayer(store)] : [base],
    env: [PATH_IN_IMAGE, ...env, ...(isStatic ? [PLAIN_TYPESCRIPT_ENV] : [])],
    command: [NODE_IN_IMAGE, isStatic ? FILE_SERVER_IN_IMAGE : entry],
  };
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
    layers: [plainLayer(await pythonBaseLayer(store, python))],
    env: [PATH_IN_IMAGE, ...env, `LD_LIBRARY_PATH=${LIBRARIES_IN_IMAGE}`],
    command: [PYTHON_IN_IMAGE, entry],
  };
}

/** Its `node` and `python3` are found by its own PATH; nobody here can know where they are. */
async function imageFoundation(
  { kind, entry, env }: Program,
  base: BaseImage,
  options: FoundationOptions,
): Promise<Foundation> {
  const fetched = await fetchBase(base, options);
  const isStatic = kind === 'static';
  const own = isStatic ? [await fileServerLayer(options.store)] : [];
  const hasPath = fetched.env.some((pair) => pair.startsWith('PATH='));
  return {
    layers: [...fetched.layers, ...own],
    env: [...(hasPath ? [] : [PATH_IN_IMAGE]), ...fetched.env, ...env],
    command: [kind === 'python' ? 'python3' : 'node', isStatic ? FILE_SERVER_IN_IMAGE : entry],
    annotations: {
      'org.opencontainers.image.base.name': base.reference,
      'org.opencontainers.image.base.digest': fetched.digest,
    },
  };
}

async function fileServerLayer(store: ContentStore): Promise<ImageLayer> {
  const { size } = await lstat(FILE_SERVER);
  const path = FILE_SERVER_IN_IMAGE.slice(1);
  const entries: LayerEntry[] = [{ kind: 'file', path, mode: 0o644, source: FILE_SERVER, size }];
  return plainLayer(await writeLayer(store, (await withoutTypes(entries)) ?? entries));
}
