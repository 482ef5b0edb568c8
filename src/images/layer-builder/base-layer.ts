import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { writeFileAtomic } from '#base/atomic-file.ts';
import type { ContentStore } from '../content/content-store.ts';
import { digestOf, isDigest } from '../digest.ts';
import { unlessMissing } from '../missing-file.ts';
import { type BuiltLayer, type LayerEntry, writeLayer } from './layer-archive.ts';
import type { MachineFile } from './machine-file.ts';
import { pythonFiles, type MachinePython } from './machine-python.ts';
import { plainTypeScriptHook } from './plain-typescript.ts';
import { sharedLibrariesOf } from './shared-libraries.ts';

/** Whom built images run as: the uid that distroless images made customary for nobody in particular. */
export const IMAGE_USER = 65532;
/** Where a program finds Node in such an image. */
export const NODE_IN_IMAGE = '/usr/local/bin/node';

const CA_BUNDLE = '/etc/ssl/certs/ca-certificates.crt';
/**
 * Libraries that are loaded by name, so that `ldd` does not show them: glibc older than 2.34 at the first look-up of a
 * host, Python's installed modules that are written in C++.
 */
const LOADED_BY_NAME = [
  'libnss_dns.so.2',
  'libnss_files.so.2',
  'libresolv.so.2',
  'libgcc_s.so.1',
  'libstdc++.so.6',
];
/** To be raised when other entries are made of the same files. */
const LAYOUT_VERSION = 3;

/** The layer that Node programs run on, made from this machine: its Node and the libraries that loads. */
export async function nodeBaseLayer(store: ContentStore, nodePath: string): Promise<BuiltLayer> {
  const libraries = (await sharedLibrariesOf(nodePath)).map((file) => path.normalize(file));
  const copies = libraries.map((file) => ({ from: file, to: file }));
  const files = [{ from: nodePath, to: NODE_IN_IMAGE }, ...copies];
  return await baseLayer(store, 'node', files, [plainTypeScriptHook]);
}

/** The layer that Python programs run on, made from this machine: its Python, standard library and shared libraries. */
export async function pythonBaseLayer(
  store: ContentStore,
  python: MachinePython,
): Promise<BuiltLayer> {
  return await baseLayer(store, 'python', await pythonFiles(python));
}

/**
 * Adds what a program without a shell reads below /etc. Read and hashed again only when one of the files has another
 * size or time.
 */
async function baseLayer(
  store: ContentStore,
  name: string,
  files: readonly MachineFile[],
  ownEntries: readonly LayerEntry[] = [],
): Promise<BuiltLayer> {
  const copies = await found([...files, ...extraFiles(files)]);
  const key = digestOf(JSON.stringify([LAYOUT_VERSION, copies, ownEntries]));
  const record = path.join(store.home, `base-layer-${name}.json`);
  const known = await readRecord(record, key);
  if (known && (await store.touch(known.digest))) return known;
  const entries = copies.map(({ from, to, size }): LayerEntry => {
    const isProgram = to.startsWith('/usr/local/bin/') || /\.so(?:\.|$)/.test(to);
    return { kind: 'file', path: to.slice(1), mode: isProgram ? 0o755 : 0o644, source: from, size };
  });
  const layer = await writeLayer(store, [...entries, ...systemEntries(), ...ownEntries]);
  await writeFileAtomic(record, `${JSON.stringify({ key, ...layer })}\n`);
  return layer;
}

function extraFiles(files: readonly MachineFile[]): readonly MachineFile[] {
  const cLibraries = files.filter(({ to }) => path.basename(to).startsWith('libc.so'));
  const beside = cLibraries.flatMap(({ to }) =>
    LOADED_BY_NAME.map((name) => path.join(path.dirname(to), name)),
  );
  return [...beside, CA_BUNDLE].map((file) => ({ from: file, to: file, isOptional: true }));
}

interface FoundFile extends MachineFile {
  readonly size: number;
  readonly modifiedMs: number;
}

async function found(files: readonly MachineFile[]): Promise<readonly FoundFile[]> {
  // What a program surely needs comes first; the same file may be wanted once more.
  const byTarget = new Map<string, FoundFile>();
  for (const file of files) {
    if (byTarget.has(file.to)) continue;
    const status = file.isOptional ? await unlessMissing(stat(file.from)) : await stat(file.from);
    if (!status) continue;
    byTarget.set(file.to, { ...file, size: status.size, modifiedMs: status.mtimeMs });
  }
  return [...byTarget.values()];
}

function systemEntries(): readonly LayerEntry[] {
  const text = (at: string, content: string): LayerEntry => ({
    kind: 'text',
    path: at,
    mode: 0o644,
    text: content,
  });
  const folder = (at: string, mode: number): LayerEntry => ({ kind: 'folder', path: at, mode });
  return [
    text(
      'etc/passwd',
      `root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:${IMAGE_USER}:${IMAGE_USER}:nonroot:/tmp:/sbin/nologin\n`,
    ),
    text('etc/group', `root:x:0:\nnonroot:x:${IMAGE_USER}:\n`),
    text('etc/nsswitch.conf', 'passwd: files\ngroup: files\nhosts: files dns\n'),
    // A runtime mounts over these; on a read-only root it cannot make them.
    ...['etc/hosts', 'etc/hostname', 'etc/resolv.conf'].map((at) => text(at, '')),
    ...['dev', 'proc', 'run', 'sys'].map((at) => folder(at, 0o755)),
    folder('root', 0o700),
    // Knative's runtime contract: every program may write to these.
    ...['tmp', 'var/tmp', 'var/log'].map((at) => folder(at, 0o1777)),
  ];
}

/** The layer that was built of the same files; undefined when there is none or the record says nothing sensible. */
async function readRecord(file: string, key: string): Promise<BuiltLayer | undefined> {
  const text = await unlessMissing(readFile(file, 'utf8'));
  // Written below only, and replaced atomically.
  const record = JSON.parse(text ?? '{}') as Partial<BuiltLayer & { readonly key: string }>;
  const { digest, size } = record;
  if (record.key !== key || !digest || !isDigest(digest) || size === undefined) return undefined;
  return { digest, size };
}
