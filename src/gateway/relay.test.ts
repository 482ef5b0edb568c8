import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { createConnection, createServer, type Socket } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { test } from 'node:test';
import {
  type App,
  ask,
  type GatewayBed,
  portOf,
  sendRaw,
  startApp,
  startGatewayBed,
} from '#test/support/gateway-bed.ts';

const HOST = 'hello.default.localhost';

/** A bed whose one host leads to a revision with one pod, which is `listener` or listens at `listener`. */
async function startBed(
  listener: http.RequestListener | number,
  spec: Parameters<GatewayBed['revision']>[1] = {},
): Promise<{ bed: GatewayBed; app: App | undefined; port: number } & AsyncDisposable> {
  await using resources = new AsyncDisposableStack();
  const bed = resources.use(await startGatewayBed());
  const app = typeof listener === 'number' ? undefined : resources.use(await startApp(listener));
  const podPort = typeof listener === 'number' ? listener : (app?.port ?? 0);
  await bed.revision('hello-00001', spec);
  await bed.pods('hello-00001', [{ name: 'a', port: podPort }]);
  await bed.route(HOST, 'hello-00001');
  const owned = resources.move();
  const port = bed.gateway.ports.public;
  return { bed, app, port, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

/** A pod that says exactly this to each request, after which it may close. */
async function startScript(
  reply: (request: string, count: number) => string | undefined,
  { closes = false } = {},
): Promise<{ port: number; requests: string[] } & AsyncDisposable> {
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => {
      requests.push(chunk.toString('latin1'));
      const text = reply(chunk.toString('latin1'), requests.length);
      if (text === undefined) socket.resetAndDestroy();
      else if (closes) socket.end(text, 'latin1');
      else socket.write(text, 'latin1');
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: portOf(server),
    requests,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

const request = (...lines: string[]): string =>
  `${[lines[0], `Host: ${HOST}`, ...lines.slice(1)].join('\r\n')}\r\n\r\n`;
const bodyOf = (message: string): string => message.slice(message.indexOf('\r\n\r\n') + 4);

test('relay: bodies stream both ways, by length and in chunks', async () => {
  await using at = await startBed((incoming, response) => {
    response.setHeader('x-length', incoming.headers['content-length'] ?? 'none');
    response.setHeader('trailer', 'x-sum');
    response.addTrailers({ 'x-sum': '42' });
    incoming.pipe(response, { end: false });
    incoming.on('end', () => {
      response.addTrailers({ 'x-sum': '42' });
      response.end();
    });
  });
  const body = Buffer.alloc(3_000_000, 'abcdefg');
  const byLength = await ask(at.port, { host: HOST, method: 'POST', body });
  assert.equal(byLength.headers['x-length'], '3000000');
  assert.equal(byLength.body, body.toString());
  const raw = await sendRaw(
    at.port,
    `${request('POST / HTTP/1.1', 'Connection: close', 'Transfer-Encoding: chunked')}3;a=b\r\nabc\r\n2\r\nde\r\n0\r\n\r\n`,
  );
  assert.match(raw, /x-length: none/);
  assert.match(bodyOf(raw), /^(3\r\nabc\r\n2\r\nde|5\r\nabcde)\r\n0\r\nx-sum: 42\r\n\r\n$/);
});

test('relay: a response is on its way before the request has ended', async () => {
  await using at = await startBed((incoming, response) => {
    response.write('begun\n');
    incoming.resume();
    incoming.on('end', () => response.end('ended\n'));
  });
  const outgoing = http.request({ port: at.port, method: 'POST', headers: { host: HOST } });
  outgoing.write('first');
  const [response] = (await once(outgoing, 'response')) as [http.IncomingMessage];
  const [begun] = (await once(response, 'data')) as [Buffer];
  assert.equal(begun.toString(), 'begun\n');
  outgoing.end('last');
  const [ended] = (await once(response, 'data')) as [Buffer];
  assert.equal(ended.toString(), 'ended\n');
});

test('relay: a slow reader does not make the gateway hold the response', async () => {
  let written = 0;
  const { promise: stuck, resolve } = Promise.withResolvers<void>();
  await using at = await startBed((_incoming, response) => {
    const chunk = Buffer.alloc(64 * 1024);
    const more = (): void => {
      while (written < 64_000_000) {
        written += chunk.length;
        if (response.write(chunk)) continue;
        resolve();
        response.once('drain', more);
        return;
      }
      response.end();
    };
    more();
  });
  const socket = createConnection({ port: at.port, host: '127.0.0.1' });
  socket.pause();
  socket.write(request('GET / HTTP/1.1', 'Connection: close'));
  await stuck;
  assert.ok(written < 32_000_000, `${written} bytes left the pod though nobody reads`);
  let received = 0;
  socket.on('data', (chunk) => {
    received += chunk.length;
  });
  socket.resume();
  await once(socket, 'close');
  assert.ok(received > 64_000_000);
});

test('relay: answers that come at once to readers that are slow stay apart, whatever their size', async () => {
  const sizes = [3, 4_096, 4_097, 65_536, 24_000_000, 32_000_000];
  await using at = await startBed((incoming, response) => {
    const index = Number(incoming.url?.slice(1));
    const body = Buffer.alloc(sizes[index] ?? 0, `${index}.`);
    if (index % 2 === 0) response.setHeader('content-length', body.length);
    response.end(body);
  });
  const readers = sizes.map((_size, index) => {
    const socket = createConnection({ port: at.port, host: '127.0.0.1' });
    socket.pause();
    socket.write(request(`GET /${index} HTTP/1.0`));
    return socket;
  });
  await Promise.all(readers.map(async (socket) => await once(socket, 'readable')));
  for (const [index, socket] of readers.entries()) {
    const body = await buffer(socket);
    const expected = Buffer.alloc(sizes[index] ?? 0, `${index}.`);
    assert.ok(
      body.subarray(body.indexOf('\r\n\r\n') + 4).equals(expected),
      `${sizes[index]} bytes`,
    );
  }
});

test('relay: pipelined requests are answered in their order, also those that are refused', async () => {
  await using at = await startBed((incoming, response) => response.end(incoming.url));
  const raw = await sendRaw(
    at.port,
    request('GET /1 HTTP/1.1') +
      `GET /x HTTP/1.1\r\nHost: nobody\r\n\r\n` +
      request('GET /2 HTTP/1.1') +
      request('GET /3 HTTP/1.1', 'Connection: close'),
  );
  assert.deepEqual(raw.match(/HTTP\/1\.1 \d+|\/[123]$|\/[123](?=HTTP)/gm), [
    'HTTP/1.1 200',
    '/1',
    'HTTP/1.1 404',
    'HTTP/1.1 200',
    '/2',
    'HTTP/1.1 200',
    '/3',
  ]);
});

test('relay: HTTP/1.0 clients, HEAD, and responses that end with the connection', async () => {
  await using script = await startScript(() => 'HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nall of it', {
    closes: true,
  });
  await using at = await startBed(script.port);
  const old = await sendRaw(at.port, request('GET / HTTP/1.0'));
  assert.equal(old, 'HTTP/1.1 200 OK\r\nX-A: b\r\nconnection: close\r\n\r\nall of it');
  const current = await ask(at.port, { host: HOST });
  assert.equal(current.headers['transfer-encoding'], 'chunked');
  assert.equal(current.body, 'all of it');
  await using sized = await startBed((_incoming, response) => {
    response.setHeader('content-length', 5);
    response.end();
  });
  const head = await ask(sized.port, { host: HOST, method: 'HEAD' });
  assert.deepEqual([head.status, head.headers['content-length'], head.body], [200, '5', '']);
});

test('relay: interim responses pass, and 100-continue makes the client send', async () => {
  await using at = await startBed((incoming, response) => {
    response.writeEarlyHints({ link: '</a.css>; rel=preload' });
    incoming.pipe(response);
  });
  const outgoing = http.request({
    port: at.port,
    method: 'PUT',
    headers: { host: HOST, expect: '100-continue', 'content-length': 2 },
  });
  outgoing.flushHeaders();
  const hints = once(outgoing, 'information');
  await once(outgoing, 'continue');
  outgoing.end('hi');
  const [response] = (await once(outgoing, 'response')) as [http.IncomingMessage];
  response.resume();
  const [information] = (await hints) as [{ statusCode: number }];
  assert.ok([100, 103].includes(information.statusCode));
  assert.equal(response.statusCode, 200);
});

test('relay: an upgrade is passed on and then bytes, but never to h2c', async () => {
  await using at = await startBed((incoming, response) =>
    response.end(incoming.headers.upgrade ?? 'no upgrade'),
  );
  at.app?.server.on('upgrade', (incoming, socket: Socket, head: Buffer) => {
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: ${incoming.headers.upgrade}\r\n\r\nhello `,
    );
    socket.write(head);
    socket.pipe(socket);
  });
  const socket = createConnection({ port: at.port, host: '127.0.0.1' });
  socket.write(`${request('GET / HTTP/1.1', 'Connection: Upgrade', 'Upgrade: echo/1')}early `);
  let text = '';
  socket.on('data', (chunk) => {
    text += chunk.toString();
    if (text.endsWith('early ')) socket.write('late');
    if (text.endsWith('late')) socket.end();
  });
  await once(socket, 'close');
  assert.match(text, /^HTTP\/1\.1 101 [^]*\r\nupgrade: echo\/1\r\n\r\nhello early late$/i);
  const h2c = await sendRaw(
    at.port,
    request('GET / HTTP/1.1', 'Connection: close, Upgrade', 'Upgrade: h2c'),
  );
  assert.match(bodyOf(h2c), /no upgrade/);
});

test('relay: a request that a pod closed on is repeated only where nothing can have come of it', async () => {
  const ok = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
  await using script = await startScript((_text, count) => (count % 2 === 1 ? ok : undefined));
  await using at = await startBed(script.port);
  assert.equal((await ask(at.port, { host: HOST })).status, 200);
  const repeated = await ask(at.port, { host: HOST, path: '/again' });
  assert.equal(repeated.status, 200, 'the second request broke on a used connection');
  assert.deepEqual(
    script.requests.map((text) => text.slice(0, text.indexOf(' HTTP'))),
    ['GET /', 'GET /again', 'GET /again'],
  );
  const post = await ask(at.port, { host: HOST, method: 'POST', body: 'once' });
  assert.equal(post.status, 502, 'a POST may have been acted on');
  assert.equal(script.requests.filter((text) => text.startsWith('POST')).length, 1);
});

test('F03: a request that a pod ends under goes to whoever is there then, once, and only where it may be done twice', async () => {
  const ok = 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok';
  await using script = await startScript((text, count) =>
    count === 1 || text.includes('/poison') || text.startsWith('POST') ? undefined : ok,
  );
  await using at = await startBed(script.port);
  assert.equal((await ask(at.port, { host: HOST })).status, 200);
  assert.equal((await ask(at.port, { host: HOST, path: '/poison' })).status, 502);
  assert.equal((await ask(at.port, { host: HOST, method: 'POST' })).status, 502);
  assert.deepEqual(
    script.requests.map((text) => text.slice(0, text.indexOf(' HTTP'))),
    ['GET /', 'GET /', 'GET /poison', 'GET /poison', 'POST /'],
  );
});

test('relay: answers that are no HTTP become 502', async () => {
  const bad = [
    'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'SSH-2.0-OpenSSH\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
  ];
  await using script = await startScript((_text, count) => bad[count - 1]);
  await using at = await startBed(script.port);
  for (const text of bad) {
    assert.equal((await ask(at.port, { host: HOST })).status, 502, JSON.stringify(text));
  }
});

test('relay: a response that breaks off is broken off for the client too', async () => {
  await using script = await startScript(
    () => 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this',
    { closes: true },
  );
  await using at = await startBed(script.port);
  await assert.rejects(ask(at.port, { host: HOST }), /aborted|ECONNRESET|hang up/);
});

test('relay: bytes that a pod sends beyond its response reach nobody', async () => {
  const reply = 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
  await using script = await startScript((_text, count) =>
    count === 1 ? `${reply}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil` : reply,
  );
  await using at = await startBed(script.port);
  const raw = await sendRaw(
    at.port,
    request('GET / HTTP/1.1') + request('GET / HTTP/1.1', 'Connection: close'),
  );
  assert.doesNotMatch(raw, /evil/);
  assert.equal(raw.match(/200 OK/g)?.length, 2);
});

test('relay: a client that goes takes its request with it', async () => {
  const { promise: arrived, resolve: arrive } = Promise.withResolvers<http.IncomingMessage>();
  await using at = await startBed((incoming) => arrive(incoming));
  const stop = new AbortController();
  const answer = ask(at.port, { host: HOST, signal: stop.signal });
  const gone = once((await arrived).socket, 'close');
  stop.abort();
  await assert.rejects(answer);
  await gone;
});

test('relay: timeouts answer 504, and cut off a response that has begun', async () => {
  await using at = await startBed(
    (incoming, response) => {
      if (incoming.url === '/begun') response.write('begun\n');
    },
    { timeoutSeconds: 1 },
  );
  const [silent, begun] = await Promise.all([
    ask(at.port, { host: HOST }),
    ask(at.port, { host: HOST, path: '/begun' }),
  ]);
  assert.deepEqual([silent.status, silent.body], [504, 'request timeout']);
  assert.deepEqual([begun.status, begun.body], [200, 'begun\nrequest timeout']);
});

test('relay: the internal door serves cluster-local hosts, the public one does not', async () => {
  await using at = await startBed((_incoming, response) => response.end('ok'));
  await at.bed.route('hello.default', 'hello-00001', { visibility: 'ClusterLocal' });
  const { ports } = at.bed.gateway;
  assert.equal((await ask(ports.public, { host: 'hello.default' })).status, 404);
  assert.equal((await ask(ports.internal, { host: 'hello.default' })).status, 200);
  assert.equal((await ask(ports.internal, { host: HOST })).status, 200);
});

test('relay: the backend door believes who names a revision, and the revision is not told', async () => {
  await using at = await startBed((incoming, response) =>
    response.end(JSON.stringify(incoming.headers)),
  );
  const { ports } = at.bed.gateway;
  const named = await ask(ports.backend, {
    host: 'anything',
    headers: {
      'knative-serving-revision': 'hello-00001',
      'knative-serving-namespace': 'default',
      'x-forwarded-for': '9.9.9.9',
      'k-original-host': 'vanity.example',
    },
  });
  const headers = JSON.parse(named.body);
  assert.equal(headers.host, 'vanity.example');
  assert.equal(headers['x-forwarded-for'], '9.9.9.9');
  assert.equal(headers['knative-serving-revision'], undefined);
  assert.equal(headers['k-original-host'], undefined);
  const host = 'hello-00001.default.svc.cluster.local';
  assert.equal((await ask(ports.backend, { host })).status, 200);
  assert.equal((await ask(ports.backend, { host: 'other.default.svc' })).status, 404);
});

test('relay: network probes are answered without a pod', async () => {
  await using bed = await startGatewayBed();
  await bed.revision('hello-00001');
  await bed.route(HOST, 'hello-00001');
  const probe = (hash?: string) =>
    ask(bed.gateway.ports.public, {
      host: HOST,
      headers: { 'k-network-probe': 'probe', ...(hash && { 'k-network-hash': hash }) },
    });
  assert.equal((await probe()).status, 400);
  assert.equal((await probe('abc')).headers['k-network-hash'], 'abc');
  assert.match(String((await probe('override')).headers['k-network-hash']), /^[0-9a-f]{64}$/);
  const { backend, public: port } = bed.gateway.ports;
  for (const value of ['queue', 'activator', 'other']) {
    const headers = { 'k-network-probe': value, 'k-network-hash': 'abc' };
    for (const [at, host] of [
      [port, HOST],
      [backend, 'hello-00001.default.svc.cluster.local'],
    ] as const) {
      const { status, body } = await ask(at, { host, headers });
      assert.deepEqual([status, body], [400, `unexpected probe header value: ${value}\n`]);
    }
  }
});

test('relay: a program is told nothing of what the platform says to itself', async () => {
  await using at = await startBed((incoming, response) => {
    response.end(JSON.stringify(Object.keys(incoming.headers)));
  });
  const headers = {
    'k-kubelet-probe': 'queue',
    'k-network-hash': 'override',
    'k-network-probe': '',
    'k-original-host': 'other.example',
    'k-passthrough-lb': 'true',
    'k-proxy-request': 'activator',
  };
  const seen: string[] = JSON.parse((await ask(at.port, { host: HOST, headers })).body);
  assert.deepEqual(
    seen.filter((name) => name.startsWith('k-')),
    [],
  );
});

test('relay: a plain Service is served by its endpoints, past one that is dead', async () => {
  await using bed = await startGatewayBed();
  await using app = await startApp((_incoming, response) => response.end('plain'));
  await bed.service('plain', [
    { name: 'dead', port: 1 },
    { name: 'live', port: app.port },
  ]);
  await bed.route('plain.example', 'plain');
  for (let round = 0; round < 10; round += 1) {
    assert.equal((await ask(bed.gateway.ports.public, { host: 'plain.example' })).body, 'plain');
  }
});

test('relay: a client that reads no interim responses does not make the gateway hold them', async () => {
  const total = 64_000_000;
  let written = 0;
  const interim = `HTTP/1.1 103 Early Hints\r\nx-fill: ${'x'.repeat(60_000)}\r\n\r\n`;
  await using at = await startBed((incoming, response) => {
    const { socket } = incoming;
    if (incoming.url !== '/hints') {
      response.end();
      return;
    }
    const more = (): void => {
      while (written < total) {
        written += interim.length;
        if (socket.write(interim)) continue;
        socket.once('drain', more);
        return;
      }
    };
    more();
  });
  const socket = createConnection({ port: at.port, host: '127.0.0.1' });
  socket.pause();
  socket.write(request('GET /hints HTTP/1.1'));
  let before = -1;
  while (written !== before) {
    before = written;
    for (let count = 0; count < 20; count += 1) await ask(at.port, { host: HOST });
  }
  socket.destroy();
  assert.ok(written > 0 && written < total, `${written} bytes left the pod though nobody reads`);
});
