import { createHash } from 'node:crypto';
import { ImageError } from './image.ts';
import { shown } from './shown.ts';

/** `sha256:` and 64 lower-case hex digits. OCI also registers sha512; no registry in use sends it. */
export type Digest = `sha256:${string}`;

const DIGEST = /^sha256:[0-9a-f]{64}$/;

export function isDigest(text: string): text is Digest {
  return DIGEST.test(text);
}

/** Throws ImageError `Invalid` naming `what` when the text is no digest of a kind that can be verified here. */
export function parseDigest(text: unknown, what: string): Digest {
  if (typeof text === 'string' && isDigest(text)) return text;
  throw new ImageError(
    'Invalid',
    `${what}: found ${shown(text)}, wanted sha256: and 64 hex digits`,
  );
}

export function digestOf(content: string | Uint8Array): Digest {
  return `sha256:${createHash('sha256').update(content).digest('hex')}`;
}

/** The part after `sha256:`, which is safe as a file name. */
export function hexOf(digest: Digest): string {
  return digest.slice('sha256:'.length);
}
