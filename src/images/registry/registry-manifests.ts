import type { ContentStore } from '../content/content-store.ts';
import { type Digest, digestOf, isDigest } from '../digest.ts';
import { ImageError } from '../image.ts';
import { childrenOf, type Manifest, MANIFEST_BYTES_MAX, parseManifest } from '../manifest.ts';
import { RegistryError } from './registry-error.ts';
import type { RegistryReply, RegistryRequest } from './registry-exchange.ts';

interface ManifestPlace {
  readonly store: ContentStore;
  readonly repository: string;
  /** A tag or a digest. */
  readonly key: string;
}

/** GET, HEAD, PUT and DELETE /v2/{name}/manifests/{reference} */
export async function serveManifest(
  request: RegistryRequest,
  place: ManifestPlace,
): Promise<RegistryReply> {
  switch (request.method) {
    case 'GET':
    case 'HEAD':
      return read(request.method, place);
    case 'PUT':
      return write(request, place);
    case 'DELETE':
      return remove(place);
    default:
      throw new RegistryError('UNSUPPORTED', `${request.method} of a manifest is not supported`);
  }
}

async function read(method: 'GET' | 'HEAD', place: ManifestPlace): Promise<RegistryReply> {
  const { store, repository } = place;
  const digest = await findManifest(place);
  const bytes = await store.read(digest, MANIFEST_BYTES_MAX);
  const held = (await store.pushed.read(repository))?.manifests[digest];
  if (!bytes || !held) throw unknownManifest(place);
  const headers = {
    'content-type': held.mediaType,
    'content-length': `${bytes.length}`,
    'docker-content-digest': digest,
    etag: `"${digest}"`,
  };
  return { status: 200, headers, ...(method === 'GET' && { body: bytes }) };
}

async function write(request: RegistryRequest, place: ManifestPlace): Promise<RegistryReply> {
  const { store, repository, key } = place;
  const bytes = await readBody(request);
  const manifest = parse(bytes, request.headers['content-type']);
  const { digest, mediaType, subject } = manifest;
  if (isDigest(key) && key !== digest)
    throw new RegistryError('DIGEST_INVALID', `manifest: its digest is ${digest}, wanted ${key}`);
  await requireChildren(store, manifest);
  await store.ingest([bytes], { digest });
  const tag = isDigest(key) ? {} : { tag: key };
  await store.pushed.put(repository, { digest, mediaType, ...tag, ...(subject && { subject }) });
  return {
    status: 201,
    headers: {
      location: `/v2/${repository}/manifests/${digest}`,
      'docker-content-digest': digest,
      'content-length': '0',
      // Says that the referrers API knows of it, so that the client need not keep a list of its own.
      ...(subject && { 'oci-subject': subject }),
    },
  };
}

async function remove(place: ManifestPlace): Promise<RegistryReply> {
  const { store, repository, key } = place;
  const digest = await findManifest(place);
  if (isDigest(key)) await store.pushed.deleteManifest(repository, digest);
  else await store.pushed.deleteTag(repository, key);
  return { status: 202 };
}

async function findManifest(place: ManifestPlace): Promise<Digest> {
  const digest = await place.store.pushed.find(place.repository, place.key);
  if (!digest) throw unknownManifest(place);
  return digest;
}

function unknownManifest({ repository, key }: ManifestPlace): RegistryError {
  return new RegistryError(
    'MANIFEST_UNKNOWN',
    `repository ${repository}: it has no manifest ${key}`,
  );
}

async function readBody(request: RegistryRequest): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request.body) {
    size += chunk.length;
    if (size > MANIFEST_BYTES_MAX)
      throw new RegistryError('SIZE_INVALID', `manifest: more than ${MANIFEST_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

function parse(bytes: Uint8Array, contentType: string | undefined): Manifest {
  const declared = contentType?.split(';')[0]?.trim();
  try {
    const manifest = parseManifest(bytes, declared);
    if (declared === undefined || declared === manifest.mediaType) return manifest;
    throw new ImageError(
      'Invalid',
      `manifest ${digestOf(bytes)}: sent as ${declared}, says it is ${manifest.mediaType}`,
    );
  } catch (error) {
    if (!(error instanceof ImageError)) throw error;
    throw new RegistryError('MANIFEST_INVALID', error.message, { cause: error });
  }
}

/** An image that is accepted can be pulled whole. */
async function requireChildren(store: ContentStore, manifest: Manifest): Promise<void> {
  for (const child of childrenOf(manifest))
    if (!(await store.touch(child.digest)))
      throw new RegistryError(
        'MANIFEST_BLOB_UNKNOWN',
        `manifest ${manifest.digest}: ${child.digest} was not pushed before it`,
      );
}
