import type { TLSSocket } from 'node:tls';
import type { Clock } from '#base/clock.ts';
import type { Log } from '#base/log.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { ApiServer } from '#apiserver/api-server.ts';
import { refusalText } from '#apiserver/connection-limits.ts';
import { certificateOfSocket, headersOf, pathOf } from '#apiserver/node-request.ts';
import { SpdyError } from '#apiserver/spdy/spdy-error.ts';
import { isFromOtherSite, negotiate, withBearerProtocol } from '#apiserver/upgrade/negotiate.ts';
import { takeOver, type Upgrading } from '#apiserver/upgrade/take-over.ts';
import type { Authenticator } from '#apiserver/user.ts';

interface UpgradeOptions {
  readonly server: Pick<ApiServer, 'connect'>;
  readonly authenticator: Authenticator;
  readonly clock: Clock;
  readonly log: Log;
  /** Aborted when the listener stops. */
  readonly closing: AbortSignal;
  /** The connections that are upgraded now. */
  readonly upgraded: Set<TLSSocket>;
}

/** Each may hold a process; far above what people do by hand. */
const UPGRADED_MAX = 500;
/** Longest a client that was refused may take to leave. */
const LEAVE_MS = 5_000;

/** Answers one request that asks for an upgrade, and serves the connection until its end. Never throws. */
export async function upgrade(
  upgrading: Upgrading & { readonly socket: TLSSocket },
  options: UpgradeOptions,
): Promise<void> {
  const { socket, request } = upgrading;
  const { clock, log, closing, upgraded } = options;
  // What goes wrong is seen by its end; without a listener it would end the process.
  socket.on('error', () => undefined);
  socket.setNoDelay(true);
  try {
    if (upgraded.size >= UPGRADED_MAX) throw tooMany();
    upgraded.add(socket);
    const headers = withBearerProtocol(headersOf(request));
    const source = await connect(upgrading, headers, options);
    const negotiated = negotiate(source.kind, headers);
    await takeOver(source, negotiated, { upgrading, clock, signal: closing });
  } catch (error) {
    if (error instanceof ApiError) refuse(socket, error);
    else if (error instanceof SpdyError)
      log.info('a client broke the protocol', {
        target: pathOf(request.url),
        reason: error.message,
      });
    else {
      log.error('an upgraded connection failed', { target: pathOf(request.url), error });
      socket.destroy();
    }
  } finally {
    upgraded.delete(socket);
  }
}

async function connect(
  { request, socket }: Upgrading & { readonly socket: TLSSocket },
  headers: Readonly<Record<string, string>>,
  { server, authenticator, closing }: UpgradeOptions,
): ReturnType<ApiServer['connect']> {
  const { method = '', url = '' } = request;
  const asked = { method, target: url, headers, signal: closing };
  const certificate = isFromOtherSite(headers) ? undefined : certificateOfSocket(socket);
  const user = await authenticator(asked, certificate);
  if (!user) throw new ApiError('Unauthorized', 'Unauthorized');
  return await server.connect({ ...asked, user });
}

/** Nothing but the refusal has been written, and the connection is of no use after it. */
function refuse(socket: TLSSocket, error: ApiError): void {
  socket.setTimeout(LEAVE_MS, () => socket.destroy());
  socket.end(refusalText(error));
}

function tooMany(): ApiError {
  return new ApiError('TooManyRequests', 'Too many requests, please try again later.', {
    retryAfterSeconds: 1,
  });
}
