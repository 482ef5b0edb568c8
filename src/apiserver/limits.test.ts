import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:http2';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { keyOf } from '#apiserver/stored-object.ts';
import { openMemoryStore } from '#store/memory/memory-store.ts';
import { serveCluster, type Served } from '#test/support/served.ts';
import { at } from '#test/support/wire.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';

async function dial(served: Served): Promise<TLSSocket> {
  const socket = connectTls({
    host: '127.0.0.1',
    port: Number(new URL(served.url).port),
    ca: served.ca,
  });
  await once(socket, 'secureConnect');
  return socket;
}

function request(served: Served, line: string, headers: readonly string[] = []): string {
  const own = ['Host: x', `Authorization: Bearer ${served.token}`, 'Connection: close'];
  return [`${line} HTTP/1.1`, ...own, ...headers, '', ''].join('\r\n');
}

/** Status and body of what comes back before the server closes. */
async function answerTo(served: Served, sent: string): Promise<{ status: number; body: unknown }> {
  const socket = await dial(served);
  socket.write(sent);
  return await answerOf(socket);
}

async function answerOf(socket: TLSSocket): Promise<{ status: number; body: unknown }> {
  const answer = await text(socket);
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  return { status: Number(head.split(' ')[1]), body: JSON.parse(body) as unknown };
}

test('limits: each is told by a Status that says what it is', async () => {
  await using served = await serveCluster();
  const post = (headers: string[]) => request(served, `POST ${MAPS}`, headers);
  const rows: readonly [what: string, sent: string, code: number, reason: string, text: RegExp][] =
    [
      [
        'a body that is announced',
        post(['Content-Length: 3145729']),
        413,
        'RequestEntityTooLarge',
        /limit is 3145728/,
      ],
      [
        'a long URL',
        request(served, `GET ${MAPS}?labelSelector=${'a'.repeat(33_000)}`),
        414,
        'RequestURITooLong',
        /at most 32768 characters/,
      ],
      [
        'large headers',
        request(served, `GET ${MAPS}`, [`X-A: ${'a'.repeat(66_000)}`]),
        431,
        'RequestHeaderFieldsTooLarge',
        /at most 65536 bytes/,
      ],
      ['no HTTP', 'GET / HTTP/9\r\n\r\n', 400, 'BadRequest', /not valid HTTP\/1.1/],
      ['a wrong length', post(['Content-Length: +5']), 400, 'BadRequest', /not valid HTTP\/1.1/],
    ];
  for (const [what, sent, code, reason, message] of rows) {
    const { status, body } = await answerTo(served, sent);
    assert.equal(status, code, what);
    assert.equal(at(body, 'kind'), 'Status', what);
    assert.equal(at(body, 'reason'), reason, what);
    assert.match(String(at(body, 'message')), message, what);
  }
});

test('limits: a body that does not come is waited for a minute', async () => {
  const clock = new FakeClock();
  await using served = await serveCluster({ clock });
  const socket = await dial(served);
  socket.write(`${request(served, `POST ${MAPS}`, ['Content-Length: 100'])}{"metadata"`);
  const answer = answerOf(socket);
  // The server has seen the request once it has answered another that came later.
  await answerTo(served, request(served, 'GET /api/v1/nodes'));
  clock.advance(60_000);
  const { status, body } = await answer;
  assert.equal(status, 504);
  assert.match(String(at(body, 'message')), /did not come within 60 s/);
});

test('limits: of somebody who is not known no body is read', async () => {
  await using served = await serveCluster();
  const sent = `POST ${MAPS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3000000\r\n\r\n`;
  assert.equal((await answerTo(served, sent)).status, 401);
});

test('limits: who reads nothing is let go, and others are answered meanwhile', async () => {
  const clock = new FakeClock();
  const store = await openMemoryStore();
  const value = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: {}, data: {} });
  const filler = `${value.slice(0, -2)}"x":"${'y'.repeat(1_000_000)}"}}`;
  for (let n = 0; n < 20; n += 1) await store.create(keyOf(ConfigMap, 'default', `m${n}`), filler);
  await using served = await serveCluster({ clock, server: { store } });
  const socket = await dial(served);
  socket.write(request(served, `GET ${MAPS}`));
  // Time passes only between answers to others, so that the server has written all it can before it does.
  for (let round = 0; round < 20; round += 1) {
    assert.equal((await answerTo(served, request(served, 'GET /api/v1/nodes'))).status, 200);
    clock.advance(30_000);
  }
  let received = 0;
  socket.on('error', () => undefined); // Cut off in the middle of what was sent.
  socket.on('data', (chunk: Buffer) => (received += chunk.length));
  await once(socket, 'close');
  assert.ok(received < 20_000_000, `${received} bytes came`);
});

test('limits: an HTTP/2 connection has 250 streams at most', async () => {
  await using served = await serveCluster();
  const session = connect(served.url, { ca: served.ca });
  const [settings] = (await once(session, 'remoteSettings')) as [{ maxConcurrentStreams: number }];
  assert.equal(settings.maxConcurrentStreams, 250);
  session.destroy();
});

test('limits: warnings of a thousand unknown fields fit a header, whatever their names', async () => {
  await using served = await serveCluster();
  const fields = Array.from({ length: 1_000 }, (_, n) => [`né\n${n}`, 1]);
  const body = JSON.stringify({ metadata: { name: 'a' }, ...Object.fromEntries(fields) });
  const session = connect(served.url, { ca: served.ca });
  const stream = session.request({
    ':method': 'POST',
    ':path': '/api/v1/namespaces',
    authorization: `Bearer ${served.token}`,
    'content-type': 'application/json',
  });
  stream.end(body);
  const [headers] = (await once(stream, 'response')) as [Record<string, string>];
  assert.equal(headers[':status'], 201);
  const warning = Buffer.from(headers['warning'] ?? '', 'latin1').toString();
  assert.match(warning, /^299 - "unknown field \\"né0\\"", /);
  assert.ok(warning.length <= 4_096);
  stream.resume();
  await once(stream, 'end');
  session.destroy();
});
