import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { Log } from '#base/log.ts';
import type { Kind } from '#api/kind.ts';
import type { ServingSettings } from '#api/serving-config/config-maps.ts';
import { answerReview, NotReviewed, type Known, type Step } from '#webhook/review.ts';

export interface WebhookServerOptions {
  readonly kinds: readonly Kind[];
  /** What Serving's ConfigMaps say now. */
  readonly serving: () => ServingSettings;
  readonly tryPod: Known['tryPod'];
  readonly meter?: Known['meter'];
  /** PEM. */
  readonly certificate: string;
  readonly key: string;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly log: Log;
}

export interface WebhookServer extends AsyncDisposable {
  readonly port: number;
}

/** Where each step is asked for. */
export const STEP_PATHS: Readonly<Record<Step, string>> = {
  defaulting: '/defaulting',
  validation: '/validation',
  config: '/config-validation',
};

/** A review carries an object as it was and as it is to be, of 3 MB each at the most, and little else. */
const BODY_BYTES_MAX = 8 * 1024 * 1024;
/** An API server gives up after ten seconds by default. */
const REQUEST_MS = 10_000;

/** Answers AdmissionReviews of these kinds over HTTPS; `GET /healthz` says that it does. */
export async function startWebhookServer(options: WebhookServerOptions): Promise<WebhookServer> {
  const { certificate, key, host, port, log } = options;
  const server = createServer({ cert: certificate, key, requestTimeout: REQUEST_MS });
  server.on('request', (request, response) => {
    void answer(request, response, options).catch((error: unknown) => {
      log.error('webhook: a review was not answered', { error });
      if (!response.headersSent) end(response, 500, 'This is a defect of the webhook; see its log');
    });
  });
  server.listen(port, host);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeIdleConnections();
      await closed;
    },
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { kinds, serving, tryPod, meter }: WebhookServerOptions,
): Promise<void> {
  const [target] = (request.url ?? '').split('?');
  if (target === '/healthz') return end(response, 200, 'ok');
  const step = (Object.keys(STEP_PATHS) as Step[]).find((each) => STEP_PATHS[each] === target);
  if (step === undefined) return end(response, 404, `There is nothing at ${target}`);
  if (request.method !== 'POST') return end(response, 405, 'A review is sent by POST');
  const body = await bodyOf(request);
  if (body === undefined) {
    response.setHeader('connection', 'close');
    return end(response, 413, `A review has at most ${BODY_BYTES_MAX} bytes`);
  }
  try {
    const text = await answerReview(body, step, { kinds, serving: serving(), tryPod, meter });
    response.writeHead(200, { 'content-type': 'application/json' }).end(text);
  } catch (error) {
    if (!(error instanceof NotReviewed)) throw error;
    end(response, 400, error.message);
  }
}

/** Undefined where it is too long, of which the rest is not read. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > BODY_BYTES_MAX) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
}
