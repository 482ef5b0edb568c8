import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { makeAuthority } from './test-authority.ts';

/** What a webhook is asked, parsed, to what it answers: text is sent as it is, undefined is answered with status 500. */
type Answer = (review: unknown) => object | string | undefined;

export interface WebhookServer extends AsyncDisposable {
  /** Ends with a slash. */
  readonly url: string;
  /** Of its authority, as a clientConfig has it. */
  readonly caBundle: string;
  /** By path, without the slash in front; may be changed at any time. */
  readonly answers: Map<string, Answer>;
  /** Every review that came, in order. */
  readonly asked: { readonly path: string; readonly review: unknown }[];
}

/** An HTTPS server on loopback with a certificate of its own authority: webhooks of all sorts. */
export async function startWebhookServer(): Promise<WebhookServer> {
  const authority = makeAuthority();
  const { certificate: cert, key } = authority.serverFor('127.0.0.1');
  const answers: WebhookServer['answers'] = new Map();
  const asked: WebhookServer['asked'] = [];
  const server = createServer({ cert, key }, (request, response) => {
    const path = (request.url ?? '/').slice(1).split('?')[0] ?? '';
    void text(request).then((body) => {
      const review: unknown = JSON.parse(body);
      asked.push({ path, review });
      const answer = answers.get(path)?.(review);
      const isText = typeof answer === 'string';
      response.writeHead(answer === undefined ? 500 : 200, { 'content-type': 'application/json' });
      response.end(isText ? answer : JSON.stringify(answer ?? {}));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `https://127.0.0.1:${port}/`,
    caBundle: Buffer.from(authority.certificate).toString('base64'),
    answers,
    asked,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
    },
  };
}
