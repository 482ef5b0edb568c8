import type { ContentStore } from '../content/content-store.ts';
import type { Digest } from '../digest.ts';
import { MANIFEST_BYTES_MAX, OCI_INDEX, parseManifest } from '../manifest.ts';
import { RegistryError } from './registry-error.ts';
import type { RegistryReply, RegistryRequest } from './registry-exchange.ts';

interface Subject {
  readonly store: ContentStore;
  readonly repository: string;
  readonly digest: Digest;
}

/** GET /v2/{name}/referrers/{digest}: an index of what refers to a manifest, empty where nothing does ("Listing Referrers"). */
export async function serveReferrers(
  request: RegistryRequest,
  { store, repository, digest }: Subject,
): Promise<RegistryReply> {
  if (request.method !== 'GET' && request.method !== 'HEAD')
    throw new RegistryError('UNSUPPORTED', `${request.method} of referrers is not supported`);
  const wanted = request.query.get('artifactType');
  const { manifests: held = {} } = (await store.pushed.read(repository)) ?? {};
  const manifests = [];
  for (const [key, { mediaType, subject }] of Object.entries(held)) {
    if (subject !== digest) continue;
    // The store's own keys.
    const bytes = await store.read(key as Digest, MANIFEST_BYTES_MAX);
    if (!bytes) continue;
    const { artifactType, annotations } = parseManifest(bytes, mediaType);
    if (wanted !== null && wanted !== artifactType) continue;
    const size = bytes.length;
    manifests.push({
      mediaType,
      digest: key,
      size,
      ...(artifactType !== undefined && { artifactType }),
      ...(annotations && { annotations }),
    });
  }
  return {
    status: 200,
    headers: {
      'content-type': OCI_INDEX,
      ...(wanted !== null && { 'oci-filters-applied': 'artifactType' }),
    },
    body: JSON.stringify({ schemaVersion: 2, mediaType: OCI_INDEX, manifests }),
  };
}
