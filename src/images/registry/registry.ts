import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { ContentStore } from '../content/content-store.ts';
import { hasCode } from '../missing-file.ts';
import { serveBlob } from './registry-blobs.ts';
import { RegistryError } from './registry-error.ts';
import type { RegistryReply, RegistryRequest } from './registry-exchange.ts';
import { requireAccess, type RegistryGuard } from './registry-guard.ts';
import { serveCatalog, serveTags } from './registry-lists.ts';
import { serveManifest } from './registry-manifests.ts';
import { serveReferrers } from './registry-referrers.ts';
import { parseRegistryRoute } from './registry-route.ts';
import { UploadSessions } from './registry-uploads.ts';

export interface RegistryOptions {
  readonly store: ContentStore;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  /** Who may do what; everybody everything unless told. */
  readonly guard?: RegistryGuard;
}

export interface ListeningRegistry extends AsyncDisposable {
  readonly port: number;
}

/** A connection on which nothing moves for so long is closed. */
const IDLE_MS = 60_000;

interface ListenOptions {
  readonly host: string;
  readonly port: number;
  /** PEM. Without it, plain HTTP, which container tools take on loopback addresses. */
  readonly tls?: { readonly certificate: string; readonly key: string };
}

/** One door to the store's registry. Port 0 chooses one. Rejects with the listener's own error when the port is taken. */
export async function startRegistry(
  options: RegistryOptions & ListenOptions,
): Promise<ListeningRegistry> {
  const registry = new Registry(options);
  const { tls } = options;
  const answer: RequestListener = (request, response) => void registry.handle(request, response);
  // An upload takes as long as it takes; only standing still is a fault.
  const server = tls
    ? createSecureServer({ requestTimeout: 0, cert: tls.certificate, key: tls.key }, answer)
    : createServer({ requestTimeout: 0 }, answer);
  server.setTimeout(IDLE_MS);
  server.listen(options.port, options.host);
  await once(server, 'listening');
  return {
    // A listening TCP server has an address and a port.
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
      await registry[Symbol.asyncDispose]();
    },
  };
}

/** The OCI distribution API over the content store, for any HTTP server of Node's. */
class Registry implements AsyncDisposable {
  readonly #options: RegistryOptions;
  readonly #uploads: UploadSessions;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#uploads = new UploadSessions(options);
  }

  /** Answers one request; never rejects. */
  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const url = new URL(request.url ?? '/', 'http://registry');
      const reply = await this.#serve(url.pathname, {
        method: request.method ?? 'GET',
        query: url.searchParams,
        headers: singleHeaders(request),
        body: request,
      });
      await send(reply, request, response);
    } catch (error) {
      await this.#sendError(error, request, response);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#uploads[Symbol.asyncDispose]();
  }

  async #serve(path: string, request: RegistryRequest): Promise<RegistryReply> {
    const { store, guard } = this.#options;
    const route = parseRegistryRoute(path);
    if (guard) await requireAccess(guard, request, route);
    switch (route?.at) {
      case 'base':
        return { status: 200, headers: { 'content-type': 'application/json' }, body: '{}\n' };
      case 'catalog':
        return serveCatalog(request, { store });
      case 'tags':
        return serveTags(request, { store, repository: route.repository });
      case 'referrers':
        return serveReferrers(request, { store, ...route });
      case 'manifest':
        return serveManifest(request, { store, ...route });
      case 'blob':
        return serveBlob(request, { store, digest: route.digest });
      case 'uploads':
        return this.#uploads.begin(request, route.repository);
      case 'upload':
        return this.#uploads.continue(request, route);
      case undefined:
        throw new RegistryError('UNSUPPORTED', `${path}: the registry has no such path`, {
          status: 404,
        });
    }
  }

  async #sendError(
    error: unknown,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const refusal = error instanceof RegistryError ? error : this.#unexpected(error, request);
    // Half an answer cannot be taken back; a broken connection is how the client learns of it.
    if (response.headersSent || response.destroyed) {
      response.destroy();
      return;
    }
    const headers = { 'content-type': 'application/json', ...refusal.headers };
    await send({ status: refusal.status, headers, body: refusal.toBody() }, request, response);
  }

  #unexpected(error: unknown, request: IncomingMessage): RegistryError {
    const isClientGone = request.destroyed && hasCode(error, 'ECONNRESET');
    if (!isClientGone)
      this.#options.log.error('registry: a request failed', {
        method: request.method,
        target: request.url,
        error,
      });
    if (hasCode(error, 'ENOSPC', 'EDQUOT'))
      return new RegistryError('UNKNOWN', 'the disk is full', { status: 507 });
    return new RegistryError('UNKNOWN', 'the registry failed; its log says why');
  }
}

function singleHeaders(request: IncomingMessage): Record<string, string | undefined> {
  const { authorization, range, 'content-range': contentRange } = request.headers;
  const { 'content-type': contentType, 'content-length': contentLength } = request.headers;
  return {
    authorization,
    range,
    'content-range': contentRange,
    'content-type': contentType,
    'content-length': contentLength,
  };
}

/** Sends and closes what the reply holds. A client that goes away meanwhile is no error. */
async function send(
  { status, headers, body }: RegistryReply,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  response.writeHead(status, {
    'docker-distribution-api-version': 'registry/2.0',
    'x-content-type-options': 'nosniff',
    ...headers,
    // What was not read of a refused body must not be taken for the next request.
    ...(!request.complete && { connection: 'close' }),
  });
  if (typeof body !== 'object' || body instanceof Uint8Array) {
    response.end(request.method === 'HEAD' ? undefined : body);
    return;
  }
  const { handle, start, end } = body;
  try {
    await pipeline(handle.createReadStream({ start, end }), response);
  } catch (error) {
    if (!hasCode(error, 'ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'EPIPE')) throw error;
  }
}
