import { lookup as lookupHost } from 'node:dns';
import { request as httpsRequest, Agent } from 'node:https';
import { isIP, type LookupFunction } from 'node:net';
import type { IncomingMessage } from 'node:http';
import type { Clock } from '#base/clock.ts';
import type { Webhook } from '#api/admissionregistration-v1/webhook.ts';
import { refusalOf } from '#apiserver/webhooks/webhook-address.ts';

/** As Kubernetes bounds what it reads of a webhook. */
const REPLY_BYTES_MAX = 3 * 1024 * 1024;

/** Where a Service listens, as this process reaches it; undefined where there is none. */
export type ServiceResolver = (service: {
  readonly namespace: string;
  readonly name: string;
  readonly port: number;
}) => Promise<{ readonly host: string; readonly port: number } | undefined>;

export interface WebhookCaller extends AsyncDisposable {
  /** POSTs `body` and resolves with what was answered. Throws Error where there is no answer of status 200. */
  call(webhook: Webhook, body: string, signal: AbortSignal): Promise<string>;
}

interface Target {
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** The name in its certificate. */
  readonly serverName: string;
  /** As messages name it. */
  readonly url: string;
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
    async call(webhook, body, signal) {
      const { timeoutSeconds = 10 } = webhook;
      const late = new AbortController();
      using _timeout = options.clock.after(timeoutSeconds * 1000, () => late.abort());
      const ended = AbortSignal.any([signal, late.signal]);
      const target = await targetOf(webhook, options.resolve);
      try {
        return await post(target, { webhook, body, agent, ownPorts, signal: ended });
      } catch (error) {
        const why = late.signal.aborted ? 'context deadline exceeded' : messageOf(error);
        const url = `${target.url}?timeout=${timeoutSeconds}s`;
        throw new Error(`failed to call webhook: Post "${url}": ${why}`, { cause: error });
      }
    },
    async [Symbol.asyncDispose]() {
      agent.destroy();
    },
  };
}

async function targetOf({ clientConfig }: Webhook, resolve: ServiceResolver): Promise<Target> {
  const { url, service } = clientConfig;
  if (service) {
    const { namespace, name, port = 443, path = '/' } = service;
    const found = await resolve({ namespace, name, port });
    if (!found) throw new Error(`failed to call webhook: service "${name}" not found`);
    const serverName = `${name}.${namespace}.svc`;
    return { ...found, path, serverName, url: `https://${serverName}:${port}${path}` };
  }
  const parsed = new URL(url ?? '');
  const host = parsed.hostname.replace(/^\[(.*)\]$/, '$1');
  return {
    host,
    port: Number(parsed.port || 443),
    path: parsed.pathname,
    serverName: host,
    url: parsed.href,
  };
}

async function post(
  target: Target,
  {
    webhook,
    body,
    agent,
    ownPorts,
    signal,
  }: {
    webhook: Webhook;
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
  const { caBundle } = webhook.clientConfig;
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const request = httpsRequest(
    {
      host: target.host,
      port: target.port,
      path: `${target.path}?timeout=${webhook.timeoutSeconds ?? 10}s`,
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

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
