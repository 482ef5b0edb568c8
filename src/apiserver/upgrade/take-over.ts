import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { createWebSocketStream, WebSocketServer, type WebSocket } from 'ws';
import type { Clock } from '#base/clock.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { Negotiated } from '#apiserver/upgrade/negotiate.ts';
import { serveProgramOverChannels } from '#apiserver/upgrade/channel-program.ts';
import { wantedStreams } from '#apiserver/upgrade/run-program.ts';
import { servePorts } from '#apiserver/upgrade/serve-ports.ts';
import { serveProgramOverSpdy } from '#apiserver/upgrade/spdy-program.ts';
import type { StreamSource } from '#apiserver/upgrade/stream-source.ts';

/** A connection whose client asked for an upgrade; `head` is what it sent after its request. */
export interface Upgrading {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  readonly head: Buffer;
}

interface Serving {
  readonly clock: Clock;
  /** Cuts the client off. */
  readonly signal: AbortSignal;
}

/** Clients send at most 32 KiB at a time; a message is held whole. */
const MESSAGE_BYTES_MAX = 4 * 1024 * 1024;

/**
 * Answers 101 and serves `source` until either side has had enough. Throws ApiError where the request is not complete,
 * before a byte is written; SpdyError where the client breaks the protocol afterwards.
 */
export async function takeOver(
  source: StreamSource,
  { transport, protocol }: Negotiated,
  { upgrading, ...serving }: Serving & { readonly upgrading: Upgrading },
): Promise<void> {
  const server = streamServer(source, protocol, serving);
  if (transport === 'spdy') await server.overSpdy(acceptSpdy(upgrading, protocol));
  else await server.overWebSocket(await acceptWebSocket(upgrading, protocol));
}

interface StreamServer {
  overSpdy(transport: Duplex): Promise<void>;
  overWebSocket(socket: WebSocket): Promise<void>;
}

function streamServer(source: StreamSource, protocol: string, serving: Serving): StreamServer {
  if (source.kind === 'ports') {
    const ports = { dial: source.dial, ...serving };
    return {
      overSpdy: (transport) => servePorts(transport, ports),
      overWebSocket: (socket) => servePorts(createWebSocketStream(socket), ports),
    };
  }
  const program = { run: source.run, wanted: wantedStreams(source.query), ...serving };
  return {
    overSpdy: (transport) => serveProgramOverSpdy(transport, program),
    overWebSocket: (socket) => serveProgramOverChannels(socket, { ...program, protocol }),
  };
}

function acceptSpdy({ socket, head }: Upgrading, protocol: string): Duplex {
  socket.write(
    'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n' +
      `X-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
  );
  if (head.length > 0) socket.unshift(head);
  return socket;
}

async function acceptWebSocket(
  { request, socket, head }: Upgrading,
  protocol: string,
): Promise<WebSocket> {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: MESSAGE_BYTES_MAX,
    perMessageDeflate: false,
  });
  // `SPDY/3.1+portforward.k8s.io` is no token, so ws would refuse it: the choice is made already, and said here.
  delete request.headers['sec-websocket-protocol'];
  server.on('headers', (headers) => void headers.push(`Sec-WebSocket-Protocol: ${protocol}`));
  const { promise, resolve, reject } = Promise.withResolvers<WebSocket>();
  server.on('wsClientError', ({ message }) => reject(new ApiError('BadRequest', message)));
  server.handleUpgrade(request, socket, head, resolve);
  const accepted = await promise;
  // What goes wrong is seen by its end; without a listener it would end the process.
  accepted.on('error', () => undefined);
  return accepted;
}
