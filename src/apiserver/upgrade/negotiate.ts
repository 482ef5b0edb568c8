import { ApiError } from '#api/meta/api-error.ts';
import type { StreamSource } from '#apiserver/upgrade/stream-source.ts';

/** How an upgraded connection speaks: the protocol it changes to, and the one inside of that. */
export interface Negotiated {
  readonly transport: 'websocket' | 'spdy';
  readonly protocol: string;
}

/** What is spoken, best first. Every client since Kubernetes 1.4 speaks one of these. */
const spoken = {
  program: {
    websocket: ['v5.channel.k8s.io', 'v4.channel.k8s.io'],
    spdy: ['v4.channel.k8s.io'],
  },
  ports: {
    // The tunnel carries the very bytes of a SPDY connection.
    websocket: ['SPDY/3.1+portforward.k8s.io'],
    spdy: ['portforward.k8s.io'],
  },
} as const;

type Headers = Readonly<Record<string, string>>;

/** Throws BadRequest where no upgrade is asked for, or none that is known, and Forbidden as Kubernetes does where no protocol is common. */
export function negotiate(kind: StreamSource['kind'], headers: Headers): Negotiated {
  const upgrade = (headers['upgrade'] ?? '').toLowerCase();
  const transport = ({ websocket: 'websocket', 'spdy/3.1': 'spdy' } as const)[upgrade];
  if (!transport)
    throw new ApiError('BadRequest', 'Upgrade request required: to a WebSocket or to SPDY/3.1');
  const asked = protocolsOf(headers, transport);
  const known: readonly string[] = spoken[kind][transport];
  const protocol = known.find((each) => asked.includes(each));
  if (protocol !== undefined) return { transport, protocol };
  throw new ApiError(
    'Forbidden',
    `unable to upgrade: unable to negotiate protocol: client supports [${asked.join(' ')}], server accepts [${known.join(' ')}]`,
  );
}

const BEARER = 'base64url.bearer.authorization.k8s.io.';

/**
 * A browser's WebSocket can send no header but its protocols, so a token may come as one of these. Returns the headers as
 * if it had been sent where tokens are.
 */
export function withBearerProtocol(headers: Headers): Headers {
  const protocols = protocolsOf(headers, 'websocket');
  const token = protocols.find((protocol) => protocol.startsWith(BEARER));
  if (token === undefined) return headers;
  const rest = protocols.filter((protocol) => protocol !== token).join(', ');
  const authorization = `Bearer ${Buffer.from(token.slice(BEARER.length), 'base64url').toString()}`;
  return {
    ...headers,
    'sec-websocket-protocol': rest,
    authorization: headers['authorization'] ?? authorization,
  };
}

/**
 * Whether a page of another site may have made a browser send this. No rule of browsers keeps pages from opening
 * WebSockets anywhere, and a browser presents its client certificate by itself.
 */
export function isFromOtherSite(headers: Headers): boolean {
  const { origin, host = '' } = headers;
  if (origin === undefined) return false;
  return !URL.canParse(origin) || new URL(origin).host !== host;
}

function protocolsOf(headers: Headers, transport: Negotiated['transport']): readonly string[] {
  const name = transport === 'websocket' ? 'sec-websocket-protocol' : 'x-stream-protocol-version';
  const listed = (headers[name] ?? '').split(',').map((each) => each.trim());
  return listed.filter((each) => each !== '');
}
