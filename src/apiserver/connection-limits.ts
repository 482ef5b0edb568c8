import type { Http2SecureServer } from 'node:http2';
import type { Socket } from 'node:net';
import type { Log } from '#base/log.ts';
import { openFilesMax } from '#base/machine-resources.ts';
import { Shares } from '#base/shares.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { statusOf } from '#apiserver/status-reply.ts';

/** The sum of a request's line and headers; a token or a list of groups may be long. */
const HEADER_BYTES_MAX = 64 * 1024;
/** Less where a process may open few files: the rest is for the store, containers and images. */
const CONNECTIONS_MAX = Math.min(10_000, Math.floor(openFilesMax() / 2));
/** Pods have an address each: one of them cannot take every connection. */
const CONNECTIONS_OF_ADDRESS_MAX = Math.ceil(CONNECTIONS_MAX / 2);

/** For `createSecureServer`, whose HTTP/1.1 half takes the options of `node:http`. */
export const transportLimits = {
  handshakeTimeout: 10_000,
  maxHeaderSize: HEADER_BYTES_MAX,
  headersTimeout: 30_000,
  /** Longer than a body may take, which is answered with a Status. */
  requestTimeout: 120_000,
  /** Kubernetes' figure. Shorter, and a client's next request meets the close of its connection. */
  keepAliveTimeout: 90_000,
  connectionsCheckingInterval: 5_000,
  settings: { maxConcurrentStreams: 250, maxHeaderListSize: HEADER_BYTES_MAX },
} as const;

/** Closes connections above the limits, and answers what is no HTTP/1.1 with a Status. */
export function limitConnections(server: Http2SecureServer, log: Log): void {
  server.maxConnections = CONNECTIONS_MAX;
  const shares = new Shares(CONNECTIONS_OF_ADDRESS_MAX);
  server.on('connection', (socket: Socket) => {
    const address = socket.remoteAddress ?? '';
    const share = shares.take(address);
    if (share) {
      socket.once('close', () => share[Symbol.dispose]());
      return;
    }
    log.warn('too many connections of one address: closing the newest', { address });
    socket.destroy();
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    if (socket.writable) socket.end(refusalText(refusalOf(error.code)));
    else socket.destroy();
  });
}

/** A refusal as bytes, for where no server writes replies; the connection is of no use after it. */
export function refusalText(error: ApiError): string {
  const body = JSON.stringify(statusOf(error));
  const head = [
    `HTTP/1.1 ${error.code} ${error.reason}`,
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

function refusalOf(code = 'unknown'): ApiError {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new ApiError(
        'RequestHeaderFieldsTooLarge',
        `the request's headers are too large: at most ${HEADER_BYTES_MAX} bytes are accepted`,
      );
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new ApiError('RequestTimeout', 'the request did not come in time');
    default:
      return new ApiError('BadRequest', `the request is not valid HTTP/1.1 (${code})`);
  }
}
