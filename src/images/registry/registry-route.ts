import { isDigest, type Digest } from '../digest.ts';
import { isRepositoryPath, isTag } from '../reference.ts';
import { RegistryError } from './registry-error.ts';

/** What a path below `/v2/` names (OCI distribution specification, "Endpoints"). */
export type RegistryRoute =
  | { readonly at: 'base' }
  | { readonly at: 'catalog' }
  | { readonly at: 'tags'; readonly repository: string }
  | { readonly at: 'manifest'; readonly repository: string; readonly key: string }
  | { readonly at: 'blob'; readonly repository: string; readonly digest: Digest }
  | { readonly at: 'referrers'; readonly repository: string; readonly digest: Digest }
  | { readonly at: 'uploads'; readonly repository: string }
  | { readonly at: 'upload'; readonly repository: string; readonly session: string };

/** Undefined for a path that the registry does not have. Throws RegistryError for a bad name or digest in one it has. */
export function parseRegistryRoute(path: string): RegistryRoute | undefined {
  if (path === '/v2' || path === '/v2/') return { at: 'base' };
  if (path === '/v2/_catalog') return { at: 'catalog' };
  // A repository may itself have components named blobs or tags, so the last match counts.
  const match =
    /^\/v2\/(?<name>.+)\/(?:(?<tags>tags\/list)|manifests\/(?<key>[^/]+)|referrers\/(?<subject>[^/]+)|blobs\/(?<uploads>uploads\/?)|blobs\/uploads\/(?<session>[^/]+)|blobs\/(?<digest>[^/]+))$/.exec(
      path,
    );
  const { name, tags, key, subject, uploads, session, digest } = match?.groups ?? {};
  if (name === undefined) return undefined;
  const repository = parseRepository(name);
  if (tags !== undefined) return { at: 'tags', repository };
  if (key !== undefined) return { at: 'manifest', repository, key: parseKey(key) };
  if (subject !== undefined)
    return { at: 'referrers', repository, digest: parseBlobDigest(subject) };
  if (uploads !== undefined) return { at: 'uploads', repository };
  if (session !== undefined) return { at: 'upload', repository, session };
  return { at: 'blob', repository, digest: parseBlobDigest(digest ?? '') };
}

export function parseBlobDigest(text: string): Digest {
  if (isDigest(text)) return text;
  throw new RegistryError(
    'DIGEST_INVALID',
    `digest ${JSON.stringify(text)}: wanted sha256: and 64 hex digits`,
  );
}

function parseRepository(name: string): string {
  if (isRepositoryPath(name)) return name;
  throw new RegistryError(
    'NAME_INVALID',
    `repository ${JSON.stringify(name)}: wanted lower-case letters and digits, separated by / . _ -`,
  );
}

function parseKey(key: string): string {
  if (key.includes(':')) return parseBlobDigest(key);
  if (isTag(key)) return key;
  throw new RegistryError(
    'MANIFEST_INVALID',
    `tag ${JSON.stringify(key)}: wanted at most 128 of letters, digits, _ . -`,
  );
}
