import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { makeAuthority } from './test-authority.ts';
import { at } from './wire.ts';

/**
 * What a webhook says to a review: of an AdmissionReview the fields of its response, allowed unless they say otherwise; of
 * others the whole answer; text as it is; a number is a status, and undefined leaves the request without an answer.
 */
type WebhookAnswer = (review: unknown) => object | string | number | undefined;

export interface WebhookServer extends AsyncDisposable {
  /** Without a slash at its end; paths begin with one. */
  readonly url: string;
  readonly port: number;
  /** Of the authority that vouches for it, as a clientConfig has it. */
  readonly caBundle: string;
  /** What was asked, in order, and at which path of the URL. */
  readonly asked: { readonly path: string; readonly review: unknown }[];
  /** By path; undefined leaves the request without an answer. */
  readonly answers: Map<string, WebhookAnswer>;
  /** Resolves with the next request. */
  next(): Promise<void>;
}

/** An HTTPS server on loopback that is any number of webhooks; without an answer they allow everything. */
export async function startWebhookServer(): Promise<WebhookServer> {
  const authority = makeAuthority();
  const pair = authority.serverFor('localhost', '127.0.0.1', 'hook.default.svc');
  const asked: WebhookServer['asked'] = [];
  const answers = new Map<string, WebhookAnswer>();
  let heard = Promise.withResolvers<void>();
  const server = createServer({ cert: pair.certificate, key: pair.key }, (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const path = request.url?.split('?')[0] ?? '';
      const review: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'));
      asked.push({ path, review });
      const answer = (answers.get(path) ?? (() => ({})))(review);
      heard.resolve();
      heard = Promise.withResolvers<void>();
      if (answer === undefined) return;
      const status = typeof answer === 'number' ? answer : 200;
      response.writeHead(status, { 'content-type': 'application/json' });
      if (typeof answer === 'number') response.end();
      else response.end(typeof answer === 'string' ? answer : answerText(review, answer));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${port}`,
    port,
    caBundle: Buffer.from(authority.certificate).toString('base64'),
    asked,
    answers,
    next: () => heard.promise,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

function answerText(review: unknown, answer: object): string {
  if (at(review, 'kind') !== 'AdmissionReview') return JSON.stringify(answer);
  const response = { uid: at(review, 'request.uid'), allowed: true, ...answer };
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response });
}

/** The fields of a response that changes the object. */
export function patchResponse(...operations: object[]): object {
  const text = Buffer.from(JSON.stringify(operations)).toString('base64');
  return { patchType: 'JSONPatch', patch: text };
}
