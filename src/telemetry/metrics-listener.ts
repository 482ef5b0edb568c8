import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { PROMETHEUS_CONTENT_TYPE } from '#telemetry/prometheus-text.ts';

export interface MetricsListener extends AsyncDisposable {
  readonly port: number;
}

/** Who scrapes keeps few connections and asks briefly. */
const CONNECTIONS_MAX = 32;
const REQUEST_MS = 10_000;
const HEADER_BYTES_MAX = 8 * 1024;

/** Tells whoever asks for /metrics what `text` says then. Rejects where the address cannot be listened on. */
export async function listenForScrapes(
  { host, port }: { readonly host: string; readonly port: number },
  text: () => string,
): Promise<MetricsListener> {
  const server = createServer(
    { requestTimeout: REQUEST_MS, headersTimeout: REQUEST_MS, maxHeaderSize: HEADER_BYTES_MAX },
    (request, response) => {
      const isAsked = request.url === '/metrics' || request.url?.startsWith('/metrics?') === true;
      if (!isAsked || (request.method !== 'GET' && request.method !== 'HEAD')) {
        response.writeHead(isAsked ? 405 : 404).end();
        return;
      }
      response.writeHead(200, { 'content-type': PROMETHEUS_CONTENT_TYPE }).end(text());
    },
  );
  server.maxConnections = CONNECTIONS_MAX;
  server.listen(port, host);
  await once(server, 'listening');
  return {
    // A TCP server that listens has an address with a port.
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      const closed = once(server, 'close');
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
