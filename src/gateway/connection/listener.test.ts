import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection, type Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { FakeClock } from '#base/fake-clock.ts';
import { silentLog } from '#base/log.ts';
import type { Exchange } from './exchange.ts';
import { Listener } from './listener.ts';
import { ReadAhead } from './read-ahead.ts';

interface Bed extends AsyncDisposable {
  readonly clock: FakeClock;
  readonly listener: Listener;
  /** The next request that comes in. */
  next(): Promise<Exchange>;
}

/** A listener on a clock that stands still, whose requests the test answers itself. */
async function startBed(readAheadMax = 1_000_000): Promise<Bed> {
  const clock = new FakeClock();
  const arrived: Exchange[] = [];
  let wake: (() => void) | undefined;
  const listener = await Listener.open({
    door: 'public',
    isForPods: false,
    httpsPort: 443,
    addresses: ['127.0.0.1'],
    port: 0,
    flag: '',
    readAhead: new ReadAhead({ bytesMaxEach: 64 * 1024, bytesMax: readAheadMax }),
    clock,
    log: silentLog,
    onRequest(exchange) {
      arrived.push(exchange);
      wake?.();
    },
  });
  return {
    clock,
    listener,
    async next() {
      while (arrived.length === 0) {
        const { promise, resolve } = Promise.withResolvers<void>();
        wake = resolve;
        await promise;
      }
      return arrived.shift() as Exchange;
    },
    [Symbol.asyncDispose]: () => listener[Symbol.asyncDispose](),
  };
}

async function connect(bed: Bed, text: string): Promise<Socket & { text: () => string }> {
  const socket = createConnection({ port: bed.listener.port, host: '127.0.0.1' });
  let received = '';
  socket.on('data', (chunk) => {
    received += chunk.toString('latin1');
  });
  // Being cut off is what some of these tests are about.
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  socket.write(text);
  return Object.assign(socket, { text: () => received });
}

/** Also where it ended by a reset, which `once` would take for a failure. */
function closed(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    socket.once('close', () => resolve());
  });
}

const GET = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n';

test('a head that comes slowly does not come for longer than a minute', async () => {
  await using bed = await startBed();
  const slow = await connect(bed, GET);
  (await bed.next()).respond(200, 'first');
  await once(slow, 'data');
  slow.write('GET / HTTP/1.1\r\nX');
  // A request on another connection is read after what came on the first.
  await connect(bed, GET);
  (await bed.next()).respond(200, '');
  bed.clock.advance(59_000);
  slow.write('-A: b');
  bed.clock.advance(1_000);
  await closed(slow);
  assert.equal(bed.listener.connectionCount, 1);
});

test('a connection that was of use is kept for two minutes without a request, a new one for one', async () => {
  await using bed = await startBed();
  const used = await connect(bed, GET);
  (await bed.next()).respond(200, 'first');
  await once(used, 'data');
  const unused = await connect(bed, '');
  while (bed.listener.connectionCount < 2) await setImmediate();
  bed.clock.advance(60_000);
  await closed(unused);
  bed.clock.advance(59_000);
  used.write(GET);
  (await bed.next()).respond(200, 'second');
  await once(used, 'data');
  bed.clock.advance(119_000);
  assert.equal(bed.listener.connectionCount, 1);
  bed.clock.advance(1_000);
  await closed(used);
});

test('a body that stops coming is not waited for longer than five minutes', async () => {
  await using bed = await startBed();
  const stalled = await connect(
    bed,
    'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf',
  );
  const exchange = await bed.next();
  let isGone = false;
  exchange.answerWith({
    onRequestData: () => undefined,
    onRequestEnd: () => undefined,
    onClientDrain: () => undefined,
    onClientGone: () => {
      isGone = true;
    },
  });
  exchange.startBody();
  bed.clock.advance(300_000);
  await closed(stalled);
  assert.equal(isGone, true);
});

test('an answered request whose body goes on is read to its end, and the next one answered', async () => {
  await using bed = await startBed();
  const socket = await connect(bed, 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf');
  (await bed.next()).respond(404, 'no');
  await once(socket, 'data');
  socket.write(`more${GET}`);
  (await bed.next()).respond(200, 'yes');
  await once(socket, 'data');
  assert.deepEqual(socket.text().match(/HTTP\/1\.1 \d+/g), ['HTTP/1.1 404', 'HTTP/1.1 200']);
});

test('an endless body of an answered request ends the connection', async () => {
  await using bed = await startBed();
  const socket = await connect(
    bed,
    `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n`,
  );
  (await bed.next()).respond(413, 'no');
  await once(socket, 'data');
  socket.write(Buffer.alloc(1_000_000));
  await once(socket, 'end');
  assert.match(socket.text(), /^HTTP\/1\.1 413/);
  socket.destroy();
});

test('a body that nobody takes yet stays in the socket but for 64 KiB', async () => {
  await using bed = await startBed();
  const body = Buffer.alloc(500_000, 'x');
  const socket = await connect(bed, `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 500000\r\n\r\n`);
  const exchange = await bed.next();
  socket.write(body);
  const chunks: Buffer[] = [];
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  exchange.answerWith({
    onRequestData: (data) => chunks.push(data),
    onRequestEnd: () => end(),
    onClientDrain: () => undefined,
    onClientGone: () => undefined,
  });
  // A second request on another connection is read after what came on the first.
  await connect(bed, GET);
  (await bed.next()).respond(200, '');
  assert.equal(exchange.wantsBody, false);
  exchange.startBody();
  assert.ok(Buffer.concat(chunks).length <= 64 * 1024);
  await ended;
  assert.deepEqual(Buffer.concat(chunks), body);
});

test('held bodies have a total, beyond which requests are refused', async () => {
  await using bed = await startBed(10);
  const post = 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n12345678';
  const held = await connect(bed, post);
  await bed.next();
  const refused = await connect(bed, post.slice(0, -8));
  const exchange = await bed.next();
  const told: number[] = [];
  exchange.answerWith({
    onRequestData: () => undefined,
    onRequestEnd: () => undefined,
    onClientDrain: () => undefined,
    onClientGone: () => told.push(exchange.status),
  });
  refused.write(post.slice(-8));
  await once(refused, 'data');
  assert.match(refused.text(), /^HTTP\/1\.1 503/);
  // What is told and logged of it is what the client was told.
  assert.deepEqual(told, [503]);
  assert.equal(held.text(), '');
  held.destroy();
  await once(refused, 'end');
  refused.destroy();
});

test('the end of a last response waits for a client that reads slowly', async () => {
  await using bed = await startBed();
  const socket = createConnection({ port: bed.listener.port, host: '127.0.0.1' });
  socket.pause();
  socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
  const exchange = await bed.next();
  const body = Buffer.alloc(32_000_000);
  exchange.startResponse(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n`, 'raw');
  exchange.sendData(body);
  exchange.endResponse();
  bed.clock.advance(60_000);
  let received = 0;
  socket.on('data', (chunk) => {
    received += chunk.length;
  });
  socket.resume();
  await once(socket, 'end');
  assert.ok(received > body.length);
});
