import { once } from 'node:events';
import http from 'node:http';
import http2, { type ServerHttp2Stream } from 'node:http2';
import { buffer } from 'node:stream/consumers';
import { AsyncQueue } from '#base/async-queue.ts';
import { portOf } from '#test/support/gateway-bed.ts';
import { type Message, readMessage } from '#test/support/protobuf-reader.ts';

/** What somebody who collects telemetry was sent. */
interface Received {
  readonly path: string;
  readonly contentType: string;
  readonly message: Message;
}

/** A real receiver of OpenTelemetry's protocol, over HTTP or gRPC. */
export interface Collector extends AsyncDisposable {
  readonly port: number;
  next(): Promise<Received>;
}

function inbox(): Pick<Collector, 'next'> & { push(received: Received): void } {
  const queue = new AsyncQueue<Received>(100, () => new Error('more than this test expects'));
  const values = queue[Symbol.asyncIterator]();
  return {
    push: (received) => queue.push(received),
    async next() {
      const { value, done } = await values.next();
      if (done) throw new Error('the collector has ended');
      return value;
    },
  };
}

/** `status` is what each request is answered with. */
export async function startCollector(status = 200): Promise<Collector> {
  const received = inbox();
  const server = http.createServer((request, response) => {
    void buffer(request).then((body) => {
      received.push({
        path: request.url ?? '',
        contentType: request.headers['content-type'] ?? '',
        message: readMessage(body),
      });
      response.writeHead(status).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: portOf(server),
    next: async () => await received.next(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

export async function startGrpcCollector(): Promise<Collector> {
  const received = inbox();
  const server = http2.createServer();
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    void buffer(stream).then((body) => {
      const length = body.readUInt32BE(1);
      if (body[0] !== 0 || body.length !== length + 5) throw new Error('no gRPC message');
      received.push({
        path: String(headers[':path']),
        contentType: String(headers['content-type']),
        message: readMessage(body.subarray(5)),
      });
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc' },
        { waitForTrailers: true },
      );
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.end(Buffer.alloc(5));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: portOf(server),
    next: async () => await received.next(),
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}
