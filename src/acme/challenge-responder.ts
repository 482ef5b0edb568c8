import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Where the proofs are asked for (RFC 8555 §8.3). */
export const CHALLENGE_PATH = '/.well-known/acme-challenge/';
const ASKED = /^\/\.well-known\/acme-challenge\/(?<token>[\w-]{1,256})$/;
const CONNECTIONS_MAX = 64;
const REQUEST_MS = 10_000;

export interface Place {
  readonly address: string;
  readonly port: number;
}

/**
 * Answers http-01 challenges, whatever their token is: the answer is the token and who asked for it, so that it is of use to
 * our own account alone, and needs no memory that a dead process would lose. Listens when it is first needed.
 */
export class ChallengeResponder implements AsyncDisposable {
  readonly #address: string;
  #thumbprint = '';
  #listening: Promise<Server> | undefined;

  /** `address` is the one by which the gateway reaches this machine. */
  constructor(address: string) {
    this.#address = address;
  }

  /** Answers for this account from now on; resolves with where. */
  async answerFor(thumbprint: string): Promise<Place> {
    this.#thumbprint = thumbprint;
    this.#listening ??= this.#listen();
    try {
      const { port } = (await this.#listening).address() as AddressInfo;
      return { address: this.#address, port };
    } catch (error) {
      this.#listening = undefined;
      throw error;
    }
  }

  async #listen(): Promise<Server> {
    const options = { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS };
    const server = createServer(options, (request, response) => {
      const token = ASKED.exec(request.url ?? '')?.groups?.['token'];
      const isAsked = token !== undefined && request.method === 'GET';
      const body = isAsked ? `${token}.${this.#thumbprint}` : 'there is no such challenge';
      response.writeHead(isAsked ? 200 : 404, {
        'content-type': isAsked ? 'application/octet-stream' : 'text/plain',
        'content-length': body.length,
        connection: 'close',
      });
      response.end(body);
      request.resume();
    });
    server.maxConnections = CONNECTIONS_MAX;
    server.listen(0, this.#address);
    await once(server, 'listening');
    return server;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const server = await this.#listening?.catch(() => undefined);
    if (!server) return;
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  }
}
