import { createReadStream } from 'node:fs';
import { open, realpath, type FileHandle } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';

/**
 * The program of images that are plain files: it goes into them as it is, so it may import nothing but Node's own. Serves
 * the working folder on $PORT.
 */

const TYPES: Readonly<Record<string, string>> = {
  '.avif': 'image/avif',
  '.css': 'text/css; charset=utf-8',
  '.csv': 'text/csv; charset=utf-8',
  '.gif': 'image/gif',
  '.htm': 'text/html; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpeg': 'image/jpeg',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.md': 'text/markdown; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.mp3': 'audio/mpeg',
  '.mp4': 'video/mp4',
  '.ogg': 'audio/ogg',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.ttf': 'font/ttf',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webm': 'video/webm',
  '.webmanifest': 'application/manifest+json',
  '.webp': 'image/webp',
  '.woff': 'font/woff',
  '.woff2': 'font/woff2',
  '.xml': 'application/xml',
};

/**
 * A server of a folder's files, not listening yet: GET and HEAD, index.html for a folder, one range of bytes. Names that
 * begin with a dot are not there, except /.well-known; no link leads out of the folder.
 */
export function fileServer(folder: string): Server {
  return createServer((request, response) => {
    answer(folder, request, response).catch((error: unknown) => {
      // The caller went away, or the file cannot be read: nothing else can be said once the head is out.
      if (response.headersSent) response.destroy();
      else refuse(response, 500, 'the file cannot be read');
      if (!response.destroyed) process.stderr.write(`${request.url}: ${String(error)}\n`);
    });
  });
}

async function answer(
  folder: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return refuse(response, 405, 'only GET and HEAD');
  }
  const [target = '/', query] = (request.url ?? '/').split('?', 2);
  const names = namesOf(target);
  if (!names) return refuse(response, 404, 'not found');
  const isFolder = target.endsWith('/');
  const file = await openBelow(folder, isFolder ? [...names, 'index.html'] : names);
  if (!file) return refuse(response, 404, 'not found');
  try {
    const status = await file.handle.stat();
    if (status.isDirectory()) {
      // Relative to the page: the gateway's address is not known here.
      const location = `${encodeURIComponent(names.at(-1) ?? '')}/`;
      response.setHeader('location', query === undefined ? location : `${location}?${query}`);
      return refuse(response, 301, 'a folder');
    }
    if (!status.isFile()) return refuse(response, 404, 'not found');
    await send({ ...file, size: status.size }, request, response);
  } finally {
    await file.handle.close();
  }
}

/** The names that a path goes through; undefined for one that nothing is served under. */
function namesOf(target: string): readonly string[] | undefined {
  let decoded: string;
  try {
    decoded = decodeURIComponent(target);
  } catch {
    return undefined; // Not UTF-8.
  }
  if (decoded.includes('\0')) return undefined;
  const names = decoded.split('/').filter((name) => name !== '');
  const isHidden = names.some((name) => name.startsWith('.') && name !== '.well-known');
  return isHidden ? undefined : names;
}

interface OpenFile {
  readonly path: string;
  readonly handle: FileHandle;
}

async function openBelow(folder: string, names: readonly string[]): Promise<OpenFile | undefined> {
  try {
    const root = await realpath(folder);
    const found = await realpath(path.join(root, ...names));
    if (found !== root && !found.startsWith(`${root}/`)) return undefined;
    return { path: path.join(root, ...names), handle: await open(found, 'r') };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    const isAbsent = ['ENOENT', 'ENOTDIR', 'ELOOP', 'ENAMETOOLONG', 'EACCES'].includes(
      String(code),
    );
    if (isAbsent) return undefined;
    throw error;
  }
}

async function send(
  { path: file, handle, size }: OpenFile & { readonly size: number },
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const range = rangeOf(request.headers.range, size);
  if (range === 'none') {
    response.setHeader('content-range', `bytes */${size}`);
    return refuse(response, 416, 'no such bytes');
  }
  const { start, end } = range ?? { start: 0, end: size - 1 };
  response.writeHead(range ? 206 : 200, {
    'content-type': TYPES[path.extname(file).toLowerCase()] ?? 'application/octet-stream',
    'x-content-type-options': 'nosniff',
    'accept-ranges': 'bytes',
    'content-length': end - start + 1,
    ...(range && { 'content-range': `bytes ${start}-${end}/${size}` }),
  });
  if (request.method === 'HEAD' || end < start) {
    response.end();
    return;
  }
  await pipeline(createReadStream(file, { fd: handle, start, end, autoClose: false }), response);
}

/** Of a Range header (RFC 9110, 14.2): undefined where the whole is to be sent, `none` where nothing fits. */
function rangeOf(
  header: string | undefined,
  size: number,
): { readonly start: number; readonly end: number } | 'none' | undefined {
  const [, first = '', last = ''] = /^bytes=(\d{0,15})-(\d{0,15})$/.exec(header ?? '') ?? [];
  if (first === '' && last === '') return undefined;
  const start = first === '' ? Math.max(0, size - Number(last)) : Number(first);
  const end = first === '' || last === '' ? size - 1 : Math.min(Number(last), size - 1);
  if (first !== '' && last !== '' && Number(last) < start) return undefined;
  return start > end ? 'none' : { start, end };
}

function refuse(response: ServerResponse, status: number, why: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' });
  response.end(`${why}\n`);
}

if (import.meta.main) {
  const server = fileServer(process.cwd());
  server.listen(Number(process.env['PORT'] ?? 8080));
  // The platform sends no more requests once it says so; those under way are finished.
  process.once('SIGTERM', () => {
    server.close();
    server.closeIdleConnections();
  });
}
