import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { connect, type ClientHttp2Session, type ClientHttp2Stream } from 'node:http2';
import { Agent, request as httpsRequest } from 'node:https';
import { buffer, text } from 'node:stream/consumers';
import { connect as connectTls } from 'node:tls';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { makeCertificate } from '#base/x509/certificate.ts';
import { listen, type Listener } from '#apiserver/server.ts';
import type { Authenticator } from '#apiserver/user.ts';
import { at, startWire, type Wire } from '#test/support/wire.ts';

const lifetimeMs = 3_600_000;
const now = systemClock.now();
const authority = makeCertificate({
  subject: { commonName: 'ca' },
  use: 'authority',
  now,
  lifetimeMs,
});
const signed = (use: 'server' | 'client', commonName: string, issuer = authority) =>
  makeCertificate({
    subject: { commonName, organizations: ['team', 'other'] },
    use,
    names: use === 'server' ? ['localhost', '127.0.0.1'] : [],
    now,
    lifetimeMs,
    issuer,
  });
const serverPair = signed('server', 'server');
const clientPair = signed('client', 'somebody');
const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';

/** Whoever has a certificate is its subject; nobody else is let in. */
const byCertificate: Authenticator = async (_request, certificate) =>
  certificate && { name: certificate.commonName, groups: certificate.organizations };

interface Served extends AsyncDisposable {
  readonly wire: Wire;
  readonly listener: Listener;
  readonly url: string;
}

async function serve(): Promise<Served> {
  const wire = await startWire({
    routes: [
      {
        matches: (_method, path) => path === '/whoami',
        handle: async ({ user }) => ({ status: 200, headers: {}, body: JSON.stringify(user) }),
      },
    ],
  });
  const listener = await listen({
    server: wire.server,
    tls: { key: serverPair.key, cert: serverPair.certificate, ca: authority.certificate },
    host: '127.0.0.1',
    port: 0,
    authenticator: byCertificate,
    clock: systemClock,
    log: silentLog,
  });
  return {
    wire,
    listener,
    url: `https://localhost:${listener.port}`,
    async [Symbol.asyncDispose]() {
      await listener[Symbol.asyncDispose]();
      await wire[Symbol.asyncDispose]();
    },
  };
}

const trust = { ca: authority.certificate, host: '127.0.0.1' };
const identity = { key: clientPair.key, cert: clientPair.certificate };

async function overHttp1(
  served: Served,
  target: string,
  options: {
    method?: string;
    headers?: Record<string, string>;
    body?: string;
    identity?: object;
  } = {},
): Promise<{ status: number | undefined; headers: NodeJS.Dict<string | string[]>; body: Buffer }> {
  using agent = { value: new Agent(), [Symbol.dispose]: () => agent.value.destroy() };
  const sent = httpsRequest(`${served.url}${target}`, {
    ...trust,
    ...(options.identity ?? identity),
    agent: agent.value,
    method: options.method ?? 'GET',
    headers: options.headers ?? {},
  });
  sent.end(options.body);
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  return { status: response.statusCode, headers: response.headers, body: await buffer(response) };
}

function session(served: Served): ClientHttp2Session & Disposable {
  const client = connect(served.url, { ...trust, ...identity });
  return Object.assign(client, { [Symbol.dispose]: () => client.destroy() });
}

test('TLS: a client certificate says who asks, over HTTP/1.1 and HTTP/2', async () => {
  await using served = await serve();
  const first = await overHttp1(served, '/whoami');
  assert.deepEqual(JSON.parse(first.body.toString()), {
    name: 'somebody',
    groups: ['team', 'other'],
  });
  using client = session(served);
  const stream = client.request({ ':path': '/whoami' });
  assert.deepEqual(JSON.parse(await text(stream)), { name: 'somebody', groups: ['team', 'other'] });
});

test('TLS: no certificate, or one that another authority signed, is nobody', async () => {
  await using served = await serve();
  const nobody = await overHttp1(served, '/whoami', { identity: {} });
  assert.equal(nobody.status, 401);
  assert.equal(at(JSON.parse(nobody.body.toString()), 'reason'), 'Unauthorized');
  const otherAuthority = makeCertificate({
    subject: { commonName: 'ca' },
    use: 'authority',
    now,
    lifetimeMs,
  });
  const forged = signed('client', 'somebody', otherAuthority);
  const stranger = await overHttp1(served, '/whoami', {
    identity: { key: forged.key, cert: forged.certificate },
  });
  assert.equal(stranger.status, 401);
});

test('TLS: the certificate of a server, or one that has ended, says nothing of a client', async () => {
  await using served = await serve();
  const ended = makeCertificate({
    subject: { commonName: 'somebody' },
    use: 'client',
    now: new Date(now.getTime() - 2 * lifetimeMs),
    lifetimeMs,
    issuer: authority,
  });
  for (const { key, certificate } of [serverPair, ended]) {
    const refused = await overHttp1(served, '/whoami', { identity: { key, cert: certificate } });
    assert.equal(refused.status, 401);
  }
});

test('TLS: connections to come see the certificate that was renewed', async () => {
  await using served = await serve();
  const serialOf = async (): Promise<string> => {
    const socket = connectTls({ ...trust, port: served.listener.port, servername: 'localhost' });
    await once(socket, 'secureConnect');
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };
  const before = await serialOf();
  const renewed = signed('server', 'server');
  served.listener.renew({ ...renewed, cert: renewed.certificate, ca: authority.certificate });
  assert.notEqual(await serialOf(), before);
  // Clients are known by their certificates as before.
  assert.equal((await overHttp1(served, '/whoami')).status, 200);
});

test('TLS: who is nobody is told so over HTTP/2 too, with the body unread, and then reset', async () => {
  await using served = await serve();
  using client = Object.assign(connect(served.url, trust), {
    [Symbol.dispose]: () => client.destroy(),
  });
  for (const method of ['GET', 'POST']) {
    const stream = client.request(
      { ':path': CONFIG_MAPS, ':method': method },
      { endStream: method === 'GET' },
    );
    if (method === 'POST') stream.write('the body, of which more may come');
    const closed = once(stream, 'close');
    assert.equal(at(JSON.parse(await text(stream)), 'reason'), 'Unauthorized');
    await closed;
    assert.equal(stream.rstCode, 0);
  }
});

test('TLS: objects are written and read, large lists are compressed', async () => {
  await using served = await serve();
  const body = JSON.stringify({ metadata: { name: 'a' }, data: { x: 'y'.repeat(200_000) } });
  const headers = { 'content-type': 'application/json' };
  const created = await overHttp1(served, CONFIG_MAPS, { method: 'POST', headers, body });
  assert.equal(created.status, 201);
  const plain = await overHttp1(served, CONFIG_MAPS);
  assert.equal(plain.headers['content-encoding'], undefined);
  const packed = await overHttp1(served, CONFIG_MAPS, { headers: { 'accept-encoding': 'gzip' } });
  assert.equal(packed.headers['content-encoding'], 'gzip');
  assert.deepEqual(gunzipSync(packed.body), plain.body);
});

test('TLS: a body above the limit is refused, however it comes', async () => {
  await using served = await serve();
  const body = 'x'.repeat(3 * 1024 * 1024 + 1);
  const chunked = { 'transfer-encoding': 'chunked' };
  const refused = await overHttp1(served, CONFIG_MAPS, { method: 'POST', headers: chunked, body });
  assert.equal(refused.status, 413);
  assert.equal(at(JSON.parse(refused.body.toString()), 'reason'), 'RequestEntityTooLarge');
});

test('TLS: a watch begins at once, streams, and ends when either side leaves', async () => {
  const served = await serve();
  using client = session(served);
  const watch = async (): Promise<ClientHttp2Stream> => {
    const stream = client.request({ ':path': `${CONFIG_MAPS}?watch=1&resourceVersion=1` });
    stream.setEncoding('utf8');
    await once(stream, 'response');
    return stream;
  };
  const stream = await watch();
  const line = once(stream, 'data');
  await served.wire.send('POST', CONFIG_MAPS, { metadata: { name: 'a' } });
  const [data] = (await line) as [string];
  assert.equal(at(JSON.parse(data), 'object.metadata.name'), 'a');
  stream.close();
  const other = await watch();
  const ended = once(other, 'end');
  other.resume();
  await served[Symbol.asyncDispose]();
  await ended;
});
