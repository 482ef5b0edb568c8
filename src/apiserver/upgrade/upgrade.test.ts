import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { PassThrough } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { createWebSocketStream, WebSocket } from 'ws';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import type { DialPort, RemoteProgram, TerminalSize } from '#base/standard-streams.ts';
import { makeCertificate } from '#base/x509/certificate.ts';
import { listen } from '#apiserver/server.ts';
import type { Attributes, Authenticator, Authorizer } from '#apiserver/user.ts';
import { SpdyClient } from '#test/support/spdy-client.ts';
import { at, startWire } from '#test/support/wire.ts';

const now = systemClock.now();
const authority = makeCertificate({
  subject: { commonName: 'ca' },
  use: 'authority',
  now,
  lifetimeMs: 3_600_000,
});
const pairFor = (use: 'server' | 'client', commonName: string) =>
  makeCertificate({
    subject: { commonName, organizations: [] },
    use,
    names: use === 'server' ? ['localhost'] : [],
    now,
    lifetimeMs: 3_600_000,
    issuer: authority,
  });
const serverPair = pairFor('server', 'server');
const clientPair = pairFor('client', 'somebody');

/** Whoever has the certificate or the token. */
const authenticator: Authenticator = async ({ headers }, certificate) => {
  if (headers['authorization'] === 'Bearer secret') return { name: 'bearer', groups: [] };
  return certificate && { name: certificate.commonName, groups: [] };
};

interface Bed extends AsyncDisposable {
  readonly port: number;
  readonly identity: { key: string; cert: string; ca: string };
}

interface BedOptions {
  readonly run?: RemoteProgram;
  readonly dial?: DialPort;
  readonly authorizer?: Authorizer;
}

async function serve({ run = echo, dial, authorizer }: BedOptions = {}): Promise<Bed> {
  const pods = { group: '', plural: 'pods' };
  const wire = await startWire({
    ...(authorizer && { authorizer }),
    streams: [
      {
        ...pods,
        subresource: 'exec',
        open: async ({ query }) => ({ kind: 'program', run, query }),
      },
      {
        ...pods,
        subresource: 'portforward',
        open: async () => ({ kind: 'ports', dial: dial ?? (() => assert.fail('no ports')) }),
      },
    ],
  });
  const { certificate: cert, key } = serverPair;
  const ca = authority.certificate;
  const listener = await listen({
    server: wire.server,
    tls: { key, cert, ca },
    host: '127.0.0.1',
    port: 0,
    authenticator,
    clock: systemClock,
    log: silentLog,
  });
  return {
    port: listener.port,
    identity: { key: clientPair.key, cert: clientPair.certificate, ca },
    async [Symbol.asyncDispose]() {
      await listener[Symbol.asyncDispose]();
      await wire[Symbol.asyncDispose]();
    },
  };
}

/** Writes its input to its output, and `7` to stderr; ends with 7. */
const echo: RemoteProgram = async ({ stdin, stdout, stderr }) => {
  stderr?.write('7');
  if (stdin && stdout) await pipeline(stdin, stdout, { end: false });
  return 7;
};

const EXEC = '/api/v1/namespaces/default/pods/p/exec?stdin=true&stdout=true&stderr=true';

function webSocket(bed: Bed, target: string, protocols: string[], options = {}): WebSocket {
  const url = `wss://localhost:${bed.port}${target}`;
  const socket = new WebSocket(url, protocols, { ...bed.identity, host: '127.0.0.1', ...options });
  socket.on('error', () => undefined);
  return socket;
}

/** All messages of a channel, until the socket closes. */
async function messages(socket: WebSocket): Promise<Record<number, string>> {
  const texts: Record<number, string> = {};
  socket.on('message', (data: Buffer) => {
    const channel = data[0] ?? 0;
    texts[channel] = `${texts[channel] ?? ''}${data.toString('utf8', 1)}`;
  });
  await once(socket, 'close');
  return texts;
}

async function refusal(
  socket: WebSocket,
): Promise<{ status: number | undefined; reason: unknown }> {
  const [, response] = (await once(socket, 'unexpected-response')) as [unknown, IncomingMessage];
  const chunks = await response.toArray();
  return {
    status: response.statusCode,
    reason: at(JSON.parse(Buffer.concat(chunks as Buffer[]).toString()), 'message'),
  };
}

async function spdy(bed: Bed, target: string, protocol: string): Promise<SpdyClient> {
  const sent = httpsRequest(`https://localhost:${bed.port}${target}`, {
    ...bed.identity,
    host: '127.0.0.1',
    agent: false,
    method: 'POST',
    headers: { connection: 'Upgrade', upgrade: 'SPDY/3.1', 'x-stream-protocol-version': protocol },
  });
  sent.end();
  const [response, socket] = (await once(sent, 'upgrade')) as [IncomingMessage, Duplex];
  assert.equal(response.headers['x-stream-protocol-version'], protocol);
  return new SpdyClient(socket);
}

const FAILED = /"reason":"NonZeroExitCode".*"reason":"ExitCode","message":"7"/;

test('upgrade: a program over channels, its input closed, its exit code carried', async () => {
  await using bed = await serve();
  const socket = webSocket(bed, EXEC, ['v5.channel.k8s.io', 'v4.channel.k8s.io']);
  const received = messages(socket);
  await once(socket, 'open');
  assert.equal(socket.protocol, 'v5.channel.k8s.io');
  socket.send(Buffer.from('\0hello'));
  socket.send(Buffer.from([255, 0]));
  const { 1: stdout, 2: stderr, 3: error } = await received;
  assert.equal(stdout, 'hello');
  assert.equal(stderr, '7');
  assert.match(error ?? '', FAILED);
});

test('upgrade: the same over SPDY, in whatever order the streams are opened', async () => {
  await using bed = await serve();
  using client = await spdy(bed, EXEC, 'v4.channel.k8s.io');
  const stdin = await client.open({ streamtype: 'stdin' });
  const error = await client.open({ streamtype: 'error' });
  const stderr = await client.open({ streamtype: 'stderr' });
  const stdout = await client.open({ streamtype: 'stdout' });
  client.send(stdin, 'hello');
  client.end(stdin);
  await client.until(() => error.hasEnded && stdout.hasEnded && stderr.hasEnded);
  assert.equal(stdout.bytes.toString(), 'hello');
  assert.equal(stderr.bytes.toString(), '7');
  assert.match(error.bytes.toString(), FAILED);
});

test('upgrade: window sizes arrive, nonsense among them is passed over', async () => {
  const sizes: TerminalSize[] = [];
  const enough = Promise.withResolvers<void>();
  const run: RemoteProgram = async ({ terminal }) => {
    terminal.follow((size) => {
      sizes.push(size);
      if (size.columns === 120) enough.resolve();
    });
    await enough.promise;
    return 0;
  };
  await using bed = await serve({ run });
  const target = EXEC.replace('stderr=true', 'tty=true');
  const socket = webSocket(bed, target, ['v4.channel.k8s.io']);
  const received = messages(socket);
  await once(socket, 'open');
  for (const text of ['{"Width":100,"Height":40}', 'nonsense', '{"Width":0,"Height":-1}'])
    socket.send(`\u0004${text}`);
  socket.send('\u0004{"Width":120,"Height":50}');
  assert.match((await received)[3] ?? '', /"status":"Success"/);
  assert.deepEqual(sizes, [
    { columns: 100, rows: 40 },
    { columns: 120, rows: 50 },
  ]);
});

test('upgrade: a client that goes takes the program with it; so does the server', async () => {
  const begun = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const run: RemoteProgram = async (_streams, signal) => {
    begun.resolve();
    await once(signal, 'abort');
    ended.resolve();
    return 137;
  };
  {
    await using bed = await serve({ run });
    const socket = webSocket(bed, EXEC, ['v4.channel.k8s.io']);
    await begun.promise;
    socket.terminate();
    await ended.promise;
  }
  const bed = await serve({ run });
  const client = await spdy(bed, EXEC, 'v4.channel.k8s.io');
  for (const streamtype of ['error', 'stdin', 'stdout', 'stderr'])
    await client.open({ streamtype });
  await bed[Symbol.asyncDispose]();
  client[Symbol.dispose]();
});

test('upgrade: what the program says of its failure is a Status for the client', async () => {
  await using bed = await serve({ run: () => Promise.reject(new Error('no such thing')) });
  const { 3: error } = await messages(webSocket(bed, EXEC, ['v4.channel.k8s.io']));
  assert.match(error ?? '', /"message":"Internal error occurred: no such thing"/);
});

const echoPort: DialPort = async (port) => {
  if (port === 81) throw new Error('nobody listens on 81');
  const both = new PassThrough();
  return { readable: both, writable: both, [Symbol.dispose]: () => void both.destroy() };
};
const FORWARD = '/api/v1/namespaces/default/pods/p/portforward';

async function forwards(client: SpdyClient): Promise<void> {
  const pairs = ['80', '81', '80'].map(async (port, requestid) => {
    const headers = { port, requestid: String(requestid) };
    const error = await client.open({ ...headers, streamtype: 'error' });
    client.end(error);
    return { error, data: await client.open({ ...headers, streamtype: 'data' }) };
  });
  const [one, refused, two] = await Promise.all(pairs);
  assert.ok(one && refused && two);
  client.send(one.data, 'first');
  client.send(two.data, 'second');
  for (const { data } of [one, two]) client.end(data);
  await client.until(() => [one, refused, two].every(({ error }) => error.hasEnded));
  assert.deepEqual(
    [one, two].map(({ data }) => data.bytes.toString()),
    ['first', 'second'],
  );
  assert.equal(refused.error.bytes.toString(), 'nobody listens on 81');
  assert.equal(one.error.bytes.length, 0);
}

test('upgrade: ports are forwarded over SPDY, several at once, a refused one alone', async () => {
  await using bed = await serve({ dial: echoPort });
  using client = await spdy(bed, FORWARD, 'portforward.k8s.io');
  await forwards(client);
});

test('upgrade: the same through a WebSocket that carries SPDY', async () => {
  await using bed = await serve({ dial: echoPort });
  const socket = webSocket(bed, FORWARD, [], {
    headers: { 'sec-websocket-protocol': 'SPDY/3.1+portforward.k8s.io' },
  });
  socket.once('upgrade', ({ headers }: IncomingMessage) => {
    assert.equal(headers['sec-websocket-protocol'], 'SPDY/3.1+portforward.k8s.io');
    // It is no token (RFC 6455 §4.1), which kubectl's library does not mind and this one does.
    delete headers['sec-websocket-protocol'];
  });
  await once(socket, 'open');
  using client = new SpdyClient(createWebSocketStream(socket));
  await forwards(client);
});

test('upgrade: refused before anything happens, with a Status', async () => {
  const asked: Attributes[] = [];
  const mayRead: Authorizer = async (attributes) => {
    asked.push(attributes);
    return { allowed: attributes.verb === 'get', reason: '' };
  };
  await using bed = await serve({ authorizer: mayRead });
  const forbidden = await refusal(webSocket(bed, EXEC, ['v4.channel.k8s.io']));
  assert.equal(forbidden.status, 403);
  assert.match(String(forbidden.reason), /cannot create resource "pods\/exec"/);
  assert.deepEqual(
    asked.slice(-2).map(({ verb }) => verb),
    ['get', 'create'],
  );
  await using open = await serve();
  const nothing = EXEC.replace(/\?.*/, '');
  assert.match(
    String((await refusal(webSocket(open, nothing, ['v4.channel.k8s.io']))).reason),
    /at least 1 of stdin, stdout, stderr/,
  );
  const unknown = await refusal(webSocket(open, EXEC, ['v9.channel.k8s.io']));
  assert.equal(unknown.status, 403);
  assert.match(String(unknown.reason), /client supports \[v9.channel.k8s.io\]/);
  const elsewhere = webSocket(open, '/api/v1/namespaces', ['v4.channel.k8s.io']);
  assert.equal((await refusal(elsewhere)).status, 400);
});

test('upgrade: a page of another site gets nowhere with the certificate of a browser', async () => {
  await using bed = await serve({ run: async () => 0 });
  const foreign = { headers: { origin: 'https://evil.example' } };
  const protocols = ['v4.channel.k8s.io'];
  assert.equal((await refusal(webSocket(bed, EXEC, protocols, foreign))).status, 401);
  const own = { headers: { origin: `https://localhost:${bed.port}` } };
  assert.match((await messages(webSocket(bed, EXEC, protocols, own)))[3] ?? '', /Success/);
  const token = `base64url.bearer.authorization.k8s.io.${Buffer.from('secret').toString('base64url')}`;
  const bearer = webSocket(bed, EXEC, [token, ...protocols], foreign);
  assert.match((await messages(bearer))[3] ?? '', /Success/);
  assert.equal(bearer.protocol, 'v4.channel.k8s.io');
});
