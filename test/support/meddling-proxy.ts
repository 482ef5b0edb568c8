import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** True where it has answered itself, or left the client without an answer. */
export type Meddle = (request: IncomingMessage, response: ServerResponse) => boolean;

export interface MeddlingProxy extends AsyncDisposable {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** What it was asked, `GET /v2/…`, in order. */
  readonly asked: string[];
  meddle: Meddle;
}

export const passOn: Meddle = () => false;

/** A host in front of a registry that can be told to misbehave. `host` is the registry's. */
export async function startMeddlingProxy(host: string): Promise<MeddlingProxy> {
  const asked: string[] = [];
  const server = createServer((incoming, response) => {
    const { method, headers, url: path } = incoming;
    asked.push(`${method} ${path}`);
    if (proxy.meddle(incoming, response)) return;
    const [hostname, port] = host.split(':');
    const onward = request({ hostname, port, method, headers, path });
    onward.once('response', (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    // Whoever asked has gone, or the registry has: the other hears of it.
    onward.once('error', () => response.destroy());
    response.once('close', () => onward.destroy());
    incoming.pipe(onward);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy: MeddlingProxy = {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    meddle: passOn,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return proxy;
}
