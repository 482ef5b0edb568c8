import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { writeFileAtomic } from '#base/atomic-file.ts';
import type { ContentStore } from '../content-store.ts';
import { digestOf, isDigest } from '../digest.ts';
import { unlessMissing } from '../missing-file.ts';
import { type BuiltLayer, type LayerEntry, writeLayer } from './layer-archive.ts';
import { sharedLibrariesOf } from './shared-libraries.ts';

/** Whom built images run as: the uid that distroless images made customary for nobody in particular. */
export const IMAGE_USER = 65532;
/** Where a program finds Node in such an image. */
export const NODE_IN_IMAGE = '/usr/local/bin/node';

const CA_BUNDLE = '/etc/ssl/certs/ca-certificates.crt';
/** glibc older than 2.34 loads these by name at the first look-up of a host, so `ldd` does not name them. */
const RESOLVER_LIBRARIES = ['libnss_dns.so.2', 'libnss_files.so.2', 'libresolv.so.2'];
/** To be raised when other entries are made of the same files. */
const LAYOUT_VERSION = 1;

/**
 * The layer that Node programs run on, made from this machine: its Node, the libraries that loads, and what a program
 * without a shell reads below /etc. Read and hashed again only when one of the files has another size or time.
 */
export async function nodeBaseLayer(store: ContentStore, nodePath: string): Promise<BuiltLayer> {
  const files = await machineFiles(nodePath);
  const key = digestOf(JSON.stringify([LAYOUT_VERSION, files]));
  const record = path.join(store.home, 'base-layer.json');
  const known = await readRecord(record, key);
  if (known && (await store.touch(known.digest))) return known;
  const copies = files.map(({ from, to, size }): LayerEntry => {
    const mode = to.startsWith('/etc/') ? 0o644 : 0o755;
    return { kind: 'file', path: to.slice(1), mode, source: from, size };
  });
  const layer = await writeLayer(store, [...copies, ...systemEntries()]);
  await writeFileAtomic(record, `${JSON.stringify({ key, ...layer })}\n`);
  return layer;
}

interface MachineFile {
  readonly from: string;
  /** Absolute, in the image. */
  readonly to: string;
  readonly size: number;
  readonly modifiedMs: number;
}

async function machineFiles(nodePath: string): Promise<readonly MachineFile[]> {
  const libraries = (await sharedLibrariesOf(nodePath)).map((file) => path.normalize(file));
  const folders = new Set(libraries.map((file) => path.dirname(file)));
  const resolvers = [...folders].flatMap((folder) =>
    RESOLVER_LIBRARIES.map((name) => path.join(folder, name)),
  );
  const wanted = new Map([[NODE_IN_IMAGE, nodePath]]);
  for (const file of [...libraries, ...resolvers, CA_BUNDLE]) wanted.set(file, file);
  const files: MachineFile[] = [];
  for (const [to, from] of wanted) {
    const isOptional = !libraries.includes(to) && to !== NODE_IN_IMAGE;
    const found = isOptional ? await unlessMissing(stat(from)) : await stat(from);
    if (found) files.push({ from, to, size: found.size, modifiedMs: found.mtimeMs });
  }
  return files;
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
    folder('tmp', 0o1777),
    folder('var/tmp', 0o1777),
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
