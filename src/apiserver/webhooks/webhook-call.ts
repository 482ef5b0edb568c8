import { lookup as lookupHost } from 'node:dns';
import { request as httpsRequest, Agent } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { IncomingMessage } from 'node:http';
import type { Clock } from '#base/clock.ts';
import type { WebhookClientConfig } from '#api/generated/admissionregistration-v1.ts';
import { refusalOf } from '#apiserver/webhooks/webhook-address.ts';

/** As Kubernetes bounds what it reads of a webhook. */
const REPLY_BYTES_MAX = 3 * 1024 * 1024;

/** Where a Service listens, as this process reaches it; undefined where there is none. */
export type ServiceResolver = (service: {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}) => Promise<{ readonly host: string; readonly port: number } | undefined>;

/** Where a webhook is, and how long it may take: 10 s unless told. */
interface Callee {
  readonly clientConfig: WebhookClientConfig;
  readonly timeoutSeconds?: number;
}

export interface WebhookCaller extends AsyncDisposable {
  /** POSTs `body` and resolves with what was answered. Throws Error where there is no answer of status 200. */
  call(callee: Callee, body: string, signal: AbortSignal): Promise<string>;
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** The name in its certificate. */
  readonly serverName: string;
}

/** Calls webhooks over TLS on connections that are kept; disposing closes them. */
export function webhookCaller(options: {
  readonly clock: Clock;
  readonly resolve: ServiceResolver;
  /** Where the platform listens on this machine: no webhook is there. */
  readonly ownPorts: ReadonlySet<number>;
}): WebhookCaller {
  const agent = new Agent({ keepAlive: true });
  const { ownPorts } = options;
  return {
    async call(callee, body, signal) {
      const { timeoutSeconds = 10 } = callee;
      const late = new AbortController();
      using _timeout = options.clock.after(timeoutSeconds * 1000, () => late.abort());
      const ended = AbortSignal.any([signal, late.signal]);
      let text: string;
      try {
        const target = await targetOf(callee, options.resolve);
        text = await post(target, { callee, body, agent, ownPorts, signal: ended });
      } catch (error) {
        const why = late.signal.aborted ? 'context deadline exceeded' : whyOf(error);
        const url = `${urlOf(callee)}?timeout=${timeoutSeconds}s`;
        throw new Error(`Post "${url}": ${why}`, { cause: error });
      }
      if (text === '') throw new Error('0-length response with status code: 200');
      return text;
    },
    async [Symbol.asyncDispose]() {
      agent.destroy();
    },
  };
}

async function targetOf({ clientConfig }: Callee, resolve: ServiceResolver): Promise<Target> {
  const { url, service } = clientConfig;
  if (service) {
    const { namespace, name, port = 443, path = '/' } = service;
    const found = await resolve({ namespace, name, port });
    if (!found) throw new Error(`service "${name}" not found`);
    return { ...found, path, serverName: `${name}.${namespace}.svc` };
  }
  const parsed = new URL(url ?? '');
  const host = parsed.hostname.replace(/^\[(.*)\]$/, '$1');
  return { host, port: Number(parsed.port || 443), path: parsed.pathname, serverName: host };
}

/** As messages name it. */
function urlOf({ clientConfig: { url = '', service } }: Callee): string {
  if (!service) return url;
  const { namespace, name, port = 443, path = '/' } = service;
  return `https://${name}.${namespace}.svc:${port}${path}`;
}

async function post(
  target: Target,
  {
    callee,
    body,
    agent,
    ownPorts,
    signal,
  }: {
    callee: Callee;
    body: string;
    agent: Agent;
    ownPorts: ReadonlySet<number>;
    signal: AbortSignal;
  },
): Promise<string> {
  const refuse = (address: string): Error | undefined => {
    const why = refusalOf(address, target.port, ownPorts);
    return why === undefined ? undefined : new Error(`dial ${address}: ${why}`);
  };
  const refused = isIP(target.host) ? refuse(target.host) : undefined;
  if (refused) throw refused;
  const { caBundle } = callee.clientConfig;
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = httpsRequest(
    {
      host: target.host,
      port: target.port,
      path: `${target.path}?timeout=${callee.timeoutSeconds ?? 10}s`,
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json',
        'content-length': Buffer.byteLength(body),
        host: target.port === 443 ? target.serverName : `${target.serverName}:${target.port}`,
      },
      agent,
      signal,
      lookup: guardedLookup(refuse),
      ...(isIP(target.serverName) === 0 && { servername: target.serverName }),
      ...(caBundle && { ca: Buffer.from(caBundle, 'base64').toString('utf8') }),
    },
    resolve,
  );
  request.on('error', reject);
  request.end(body);
  const response = await promise;
  const text = await readBounded(response);
  if (response.statusCode === 200) return text;
  throw new Error(
    `the server answered with status ${response.statusCode}: status 200 was expected`,
  );
}

/** A name is asked for once, and what is looked at is what is called. */
function guardedLookup(refuse: (address: string) => Error | undefined): LookupFunction {
  return (hostname, options, callback) => {
    lookupHost(hostname, { ...options, all: true }, (error, addresses) => {
      const refused = addresses?.map(({ address }) => refuse(address)).find(Boolean);
      if (error || refused) {
        callback(error ?? refused ?? null, []);
        return;
      }
      const [first] = addresses;
      if (options.all) callback(null, addresses);
      else callback(null, first?.address ?? '', first?.family);
    });
  };
}

async function readBounded(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > REPLY_BYTES_MAX) {
      response.destroy();
      throw new Error(`the answer is longer than ${REPLY_BYTES_MAX} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

const UNKNOWN_AUTHORITY =
  'tls: failed to verify certificate: x509: certificate signed by unknown authority';

/** Node's words for what happens most say less than Kubernetes', which people search for. */
const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connect: connection refused',
  ECONNRESET: 'EOF',
  DEPTH_ZERO_SELF_SIGNED_CERT: UNKNOWN_AUTHORITY,
  SELF_SIGNED_CERT_IN_CHAIN: UNKNOWN_AUTHORITY,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: UNKNOWN_AUTHORITY,
};

/** What Node says of a failed connection. */
interface ConnectionError extends Error {
  readonly code?: string;
  readonly address?: string;
  readonly port?: number;
}

function whyOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code = '', address, port } = error as ConnectionError;
  const words = WORDS[code];
  if (words === undefined) return error.message;
  return address === undefined ? words : `dial tcp ${address}:${port}: ${words}`;
}
