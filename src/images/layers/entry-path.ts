import { ImageError } from '../image.ts';
import { shown } from '../shown.ts';

const PATH_CHARACTERS_MAX = 4096;

/**
 * The path of a tar entry below the root, `usr/bin/env`; `''` is the root itself. A name that is absolute, climbs or
 * holds a NUL is refused with ImageError `Invalid`, not repaired: no builder writes one in good faith.
 */
export function parseEntryPath(name: string): string {
  if (name.startsWith('/')) throw refused(name, 'it is absolute');
  if (name.includes('\0')) throw refused(name, 'it holds a NUL');
  if (name.length > PATH_CHARACTERS_MAX)
    throw refused(name, `it is longer than ${PATH_CHARACTERS_MAX} characters`);
  const components = name.split('/').filter((part) => part !== '' && part !== '.');
  if (components.includes('..')) throw refused(name, 'it climbs with ..');
  return components.join('/');
}

/** The folder that holds `entry`; `''` for what lies in the root. */
export function parentOf(entry: string): string {
  return entry.slice(0, Math.max(0, entry.lastIndexOf('/')));
}

function nameOf(entry: string): string {
  return entry.slice(entry.lastIndexOf('/') + 1);
}

/** OCI's marks for what a layer takes away (image-spec layer.md, "Whiteouts"). */
export type Whiteout =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'opaque'; readonly folder: string }
  /** AUFS's own bookkeeping, which means nothing elsewhere. */
  | { readonly kind: 'ignored' };

/** Undefined for an ordinary entry. Throws ImageError `Invalid` for a whiteout of no name. */
export function parseWhiteout(entry: string): Whiteout | undefined {
  const name = nameOf(entry);
  if (!name.startsWith('.wh.')) return undefined;
  const folder = parentOf(entry);
  if (name === '.wh..wh..opq') return { kind: 'opaque', folder };
  if (name.startsWith('.wh..wh.')) return { kind: 'ignored' };
  const hidden = name.slice('.wh.'.length);
  if (hidden === '' || hidden === '.' || hidden === '..')
    throw refused(entry, 'it is a whiteout of no name');
  return { kind: 'file', path: folder === '' ? hidden : `${folder}/${hidden}` };
}

function refused(name: string, why: string): ImageError {
  return new ImageError('Invalid', `layer entry ${shown(name)}: ${why}`);
}
