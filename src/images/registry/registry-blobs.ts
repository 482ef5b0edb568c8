import type { ContentStore } from '../content/content-store.ts';
import type { Digest } from '../digest.ts';
import { namedContent } from '../content/garbage.ts';
import { RegistryError } from './registry-error.ts';
import type { RegistryReply, RegistryRequest } from './registry-exchange.ts';

/** GET, HEAD and DELETE /v2/{name}/blobs/{digest} */
export async function serveBlob(
  request: RegistryRequest,
  { store, digest }: { readonly store: ContentStore; readonly digest: Digest },
): Promise<RegistryReply> {
  // Who asks may be about to push a manifest that names it.
  const found = await store.touch(digest);
  if (!found) throw unknownBlob(digest);
  const headers = {
    'content-type': 'application/octet-stream',
    'docker-content-digest': digest,
    'accept-ranges': 'bytes',
    etag: `"${digest}"`,
  };
  switch (request.method) {
    case 'HEAD':
      return { status: 200, headers: { ...headers, 'content-length': `${found.size}` } };
    case 'GET':
      return send(request, { store, digest, size: found.size, headers });
    case 'DELETE':
      return remove(store, digest);
    default:
      throw new RegistryError('UNSUPPORTED', `${request.method} of a blob is not supported`);
  }
}

function unknownBlob(digest: string): RegistryError {
  return new RegistryError('BLOB_UNKNOWN', `blob ${digest}: the registry does not have it`);
}

interface Sending {
  readonly store: ContentStore;
  readonly digest: Digest;
  readonly size: number;
  readonly headers: Readonly<Record<string, string>>;
}

async function send(request: RegistryRequest, sending: Sending): Promise<RegistryReply> {
  const { store, digest, size, headers } = sending;
  const range = parseRange(request.headers['range'], size);
  const { start, end } = range ?? { start: 0, end: size - 1 };
  const ranged = range && { 'content-range': `bytes ${start}-${end}/${size}` };
  const all = { ...headers, ...ranged, 'content-length': `${end - start + 1}` };
  if (size === 0) return { status: 200, headers: all };
  const handle = await store.open(digest);
  if (!handle) throw unknownBlob(digest);
  return { status: range ? 206 : 200, headers: all, body: { handle, start, end } };
}

/** One range (RFC 9110 §14); several, or another unit, are answered with the whole, as the RFC allows. */
function parseRange(
  header: string | undefined,
  size: number,
): { readonly start: number; readonly end: number } | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  const [, first = '', last = ''] = match ?? [];
  if (!match || (first === '' && last === '')) return undefined;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (start <= end) return { start, end };
  throw new RegistryError('RANGE_INVALID', `range ${header}: the blob has ${size} bytes`, {
    headers: { 'content-range': `bytes */${size}` },
  });
}

async function remove(store: ContentStore, digest: Digest): Promise<RegistryReply> {
  const { blobs } = await namedContent(store);
  if (blobs.has(digest))
    throw new RegistryError(
      'UNSUPPORTED',
      `blob ${digest}: an image needs it; delete the image's manifest first`,
    );
  await store.deleteBlob(digest);
  return { status: 202 };
}
