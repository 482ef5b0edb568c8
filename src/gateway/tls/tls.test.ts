import assert from 'node:assert/strict';
import { once } from 'node:events';
import https from 'node:https';
import { createConnection, createServer } from 'node:net';
import { test } from 'node:test';
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls';
import { FakeClock } from '#base/fake-clock.ts';
import type { StatusOf } from '#api/kind.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import {
  type App,
  ask,
  type GatewayBed,
  portOf,
  ready,
  sendRaw,
  startApp,
  startGatewayBed,
  untilIngress,
} from '#test/support/gateway-bed.ts';
import { makeAuthority } from '#test/support/test-authority.ts';
import { TlsHandshakes } from './tls-handshakes.ts';

const authority = makeAuthority();
const ca = authority.certificate;

interface Bed extends AsyncDisposable {
  readonly bed: GatewayBed;
  readonly app: App;
}

/** A gateway with a Service `app` behind it, which answers with what it was asked. */
async function startBed(): Promise<Bed> {
  await using resources = new AsyncDisposableStack();
  const bed = resources.use(await startGatewayBed());
  const app = resources.use(
    await startApp((request, response) => response.end(JSON.stringify(request.headers))),
  );
  await bed.service('app', [{ name: 'a', port: app.port }]);
  const owned = resources.move();
  return { bed, app, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

type Tls = NonNullable<Ingress['spec']['tls']>[number];
type Rule = NonNullable<Ingress['spec']['rules']>[number];

function ruleOf(hosts: string[], more: Partial<Rule> = {}): Rule {
  const split = { serviceNamespace: 'default', serviceName: 'app', servicePort: 80, percent: 100 };
  return { hosts, visibility: 'ExternalIP', http: { paths: [{ splits: [split] }] }, ...more };
}

function tlsOf(secretName: string, hosts?: string[]): Tls {
  return { secretName, secretNamespace: 'default', ...(hosts && { hosts }) };
}

function condition(status: StatusOf<Ingress> | undefined, type: string) {
  return status?.conditions?.find((one) => one.type === type);
}

/** The names in the certificate that is shown to who asks for `servername`; rejects where there is none. */
async function shownTo(
  port: number,
  servername: string | undefined,
  options: ConnectionOptions = {},
): Promise<{ names: string; socket: TLSSocket }> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ...(servername !== undefined && { servername }),
    ...options,
  });
  await once(socket, 'secureConnect');
  return { names: socket.getPeerCertificate().subjectaltname ?? '', socket };
}

async function refused(port: number, servername?: string, options?: ConnectionOptions) {
  try {
    const { socket } = await shownTo(port, servername, options);
    socket.destroy();
    return 'accepted';
  } catch (error) {
    return error instanceof Error && 'code' in error ? error.code : error;
  }
}

test('the certificate is that of the host, else of its domain; who asks for another name is refused', async () => {
  await using at = await startBed();
  const { bed } = at;
  await bed.secret('one', authority.serverFor('one.shop.example'));
  await bed.secret('all', authority.serverFor('*.shop.example'));
  const made = await bed.ingress('shop', {
    rules: [ruleOf(['one.shop.example', 'two.shop.example', 'a.b.shop.example'])],
    tls: [tlsOf('all', ['*.shop.example']), tlsOf('one', ['ONE.shop.example'])],
  });
  await ready(bed.cluster.client, made);
  const { publicTls: port } = bed.gateway.ports;
  for (const [asked, shown] of [
    ['one.shop.example', 'DNS:one.shop.example'],
    ['Two.Shop.example', 'DNS:*.shop.example'],
  ] as const) {
    const { names, socket } = await shownTo(port, asked);
    assert.equal(names, shown, asked);
    socket.destroy();
  }
  for (const name of ['other.example', 'three.shop.example', 'a.b.shop.example', 'shop.example']) {
    assert.equal(await refused(port, name), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME', name);
  }
  assert.equal(await refused(port), 'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', 'no name at all');
  // The refused ones cost the others nothing.
  const answer = await ask(port, { host: 'one.shop.example', authority: ca });
  assert.equal(answer.status, 200);
});

test('HTTP/1.1 is what is offered, by TLS 1.2 and later; the program hears of https', async () => {
  await using at = await startBed();
  const { bed } = at;
  await bed.secret('one', authority.serverFor('one.example'));
  const rules = [ruleOf(['one.example'])];
  await ready(bed.cluster.client, await bed.ingress('one', { rules, tls: [tlsOf('one')] }));
  const { publicTls: port } = bed.gateway.ports;
  const { socket } = await shownTo(port, 'one.example', { ALPNProtocols: ['h2', 'http/1.1'] });
  assert.equal(socket.alpnProtocol, 'http/1.1');
  socket.destroy();
  assert.equal(
    await refused(port, 'one.example', { ALPNProtocols: ['h2'] }),
    'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL',
  );
  const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'ALL@SECLEVEL=0' } as const;
  assert.equal(await refused(port, 'one.example', old), 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION');
  assert.equal(await refused(port, 'one.example', { maxVersion: 'TLSv1.2' }), 'accepted');
  const { body } = await ask(port, { host: 'one.example:8443', authority: ca });
  const headers = JSON.parse(body);
  assert.equal(headers['x-forwarded-proto'], 'https');
  assert.equal(headers['x-forwarded-for'], '127.0.0.1');
  assert.equal(headers.forwarded, 'for=127.0.0.1;host="one.example:8443";proto=https');
  // What is no handshake ends the connection, and nothing else.
  const plain = createConnection({ port, host: '127.0.0.1' });
  plain.on('error', () => undefined);
  plain.write('GET / HTTP/1.1\r\nHost: one.example\r\n\r\n');
  await once(plain, 'close');
});

test('a new version of a Secret is shown from the next handshake on, and no connection is lost', async () => {
  await using at = await startBed();
  const { bed } = at;
  await bed.secret('one', authority.serverFor('one.example', 'first.example'));
  const rules = [ruleOf(['one.example'])];
  await ready(bed.cluster.client, await bed.ingress('one', { rules, tls: [tlsOf('one')] }));
  const { publicTls: port } = bed.gateway.ports;
  const agent = new https.Agent({ keepAlive: true, maxSockets: 1 });
  let connections = 0;
  agent.on('keylog', () => (connections += 1));
  const asked = { host: 'one.example', authority: ca, agent };
  assert.equal((await ask(port, asked)).status, 200);
  const handshakes = connections;
  await bed.secret('one', authority.serverFor('one.example', 'second.example'));
  let names = '';
  // Nobody is told of it; what is shown is all there is to see.
  while (!names.includes('second.example')) {
    assert.equal((await ask(port, asked)).status, 200);
    const shown = await shownTo(port, 'one.example');
    ({ names } = shown);
    shown.socket.destroy();
  }
  assert.equal((await ask(port, asked)).status, 200);
  assert.equal(connections, handshakes, 'all on one connection');
  agent.destroy();
});

test('a Secret that is missing or broken is told in the status, and keeps nobody else from being served', async () => {
  await using at = await startBed();
  const { bed } = at;
  const { client } = bed.cluster;
  const { publicTls: port, public: plain } = bed.gateway.ports;
  await bed.secret('good', authority.serverFor('good.example'));
  const good = { rules: [ruleOf(['good.example'])], tls: [tlsOf('good')] };
  await ready(client, await bed.ingress('good', good));
  const made = await bed.ingress('bad', {
    rules: [ruleOf(['bad.example'])],
    tls: [tlsOf('bad', ['bad.example'])],
  });
  const missing = await untilIngress(client, made, ({ status }) => status !== undefined);
  assert.deepEqual(
    [
      condition(missing.status, 'NetworkConfigured')?.status,
      condition(missing.status, 'Ready')?.reason,
    ],
    ['Unknown', 'Uninitialized'],
  );
  assert.equal(
    condition(missing.status, 'NetworkConfigured')?.message,
    'Secret default/bad does not exist, or is not of type kubernetes.io/tls',
  );
  assert.equal(await refused(port, 'bad.example'), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME');
  assert.equal((await ask(plain, { host: 'bad.example' })).status, 200);
  const pair = authority.serverFor('bad.example');
  for (const [broken, message] of [
    [{ ...pair, certificate: 'none' }, 'tls.crt holds no certificate in PEM'],
    [{ ...pair, key: 'none' }, 'tls.key holds no private key in PEM without a passphrase'],
    [
      { ...pair, key: authority.serverFor('bad.example').key },
      'tls.key is not the key of the certificate in tls.crt',
    ],
  ] as const) {
    await bed.secret('bad', broken);
    const told = await untilIngress(client, missing, ({ status }) => {
      const text = condition(status, 'NetworkConfigured')?.message ?? '';
      return text === `Secret default/bad: ${message}`;
    });
    assert.equal(condition(told.status, 'Ready')?.status, 'False');
    assert.equal(await refused(port, 'bad.example'), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME');
    assert.equal((await ask(port, { host: 'good.example', authority: ca })).status, 200);
  }
  // What only shows when it is used.
  const chain = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n';
  await bed.secret('bad', { ...pair, certificate: `${pair.certificate}\n${chain}` });
  await ready(client, missing);
  assert.equal(await refused(port, 'bad.example'), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME');
  await untilIngress(
    client,
    missing,
    ({ status }) => condition(status, 'NetworkConfigured')?.reason === 'SecretInvalid',
  );
  await bed.secret('bad', pair);
  const mended = await ready(client, missing);
  assert.equal((await ask(port, { host: 'bad.example', authority: ca })).status, 200);
  await client.delete(Secret, { namespace: 'default', name: 'bad' });
  await untilIngress(
    client,
    mended,
    ({ status }) => condition(status, 'NetworkConfigured')?.reason === 'SecretMissing',
  );
  assert.equal(await refused(port, 'bad.example'), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME');
});

test('an Ingress speaks only in the name of its own namespace, and of the hosts that it serves', async () => {
  await using at = await startBed();
  const { bed } = at;
  const { client } = bed.cluster;
  const rejected = await untilIngress(
    client,
    await bed.ingress('thief', {
      rules: [ruleOf(['thief.example'])],
      tls: [{ secretName: 'theirs', secretNamespace: 'kube-system' }],
    }),
    ({ status }) => status !== undefined,
  );
  const told = condition(rejected.status, 'LoadBalancerReady');
  assert.deepEqual(
    [told?.reason, told?.message],
    ['IngressRejected', 'Secret kube-system/theirs is in another namespace than the Ingress'],
  );
  await bed.secret('own', authority.serverFor('own.example'));
  await bed.secret('other', authority.serverFor('other.example'));
  const own = { rules: [ruleOf(['own.example'])], tls: [tlsOf('own')] };
  await ready(client, await bed.ingress('own', own));
  const other = {
    rules: [ruleOf(['other.example'])],
    tls: [tlsOf('other', ['other.example', 'own.example', 'free.example'])],
  };
  await ready(client, await bed.ingress('other', other));
  const { names, socket } = await shownTo(bed.gateway.ports.publicTls, 'own.example');
  assert.equal(names, 'DNS:own.example');
  socket.destroy();
  assert.equal(
    await refused(bed.gateway.ports.publicTls, 'free.example'),
    'ERR_SSL_TLSV1_UNRECOGNIZED_NAME',
  );
});

test('a cluster-local host has its certificate inside the cluster only', async () => {
  await using at = await startBed();
  const { bed } = at;
  const { publicTls, internalTls } = bed.gateway.ports;
  const local = 'app.default.svc.cluster.local';
  await bed.secret('both', authority.serverFor(local, 'app.example'));
  const made = await bed.ingress('both', {
    rules: [ruleOf([local], { visibility: 'ClusterLocal' }), ruleOf(['app.example'])],
    tls: [tlsOf('both')],
  });
  await ready(bed.cluster.client, made);
  assert.equal(await refused(publicTls, local), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME');
  assert.equal((await ask(internalTls, { host: local, authority: ca })).status, 200);
  assert.equal((await ask(internalTls, { host: 'app.example', authority: ca })).status, 200);
  assert.equal((await ask(publicTls, { host: 'app.example', authority: ca })).status, 200);
});

test('httpOption Redirected sends plain requests for external hosts to HTTPS, but not for a challenge', async () => {
  await using at = await startBed();
  const { bed } = at;
  const { client } = bed.cluster;
  const ports = bed.gateway.ports;
  const local = 'app.default.svc.cluster.local';
  const external = ruleOf(['app.example']);
  const [path] = external.http?.paths ?? [];
  assert.ok(path);
  const challenge = { ...path, path: '/.well-known/acme-challenge/token' };
  await bed.secret('app', authority.serverFor('app.example', local));
  const spec: Ingress['spec'] = {
    httpOption: 'Redirected',
    rules: [
      { ...external, http: { paths: [challenge, path] } },
      ruleOf([local], { visibility: 'ClusterLocal' }),
    ],
    tls: [tlsOf('app')],
  };
  const made = await ready(client, await bed.ingress('app', spec));
  const moved = await ask(ports.public, {
    host: 'APP.example:80',
    path: '/a?b=c%20d&e',
    method: 'POST',
  });
  assert.equal(moved.status, 301);
  assert.equal(moved.headers.location, `https://app.example:${ports.publicTls}/a?b=c%20d&e`);
  const odd = await sendRaw(
    ports.public,
    'GET /a?"\xe9<\\ HTTP/1.1\r\nHost: app.example\r\nConnection: close\r\n\r\n',
  );
  assert.match(odd, /\nlocation: https:\/\/app\.example:\d+\/a\?%22%E9%3C%5C\r\n/);
  const inside = await ask(ports.internal, { host: 'app.example' });
  assert.deepEqual([inside.status, inside.headers.location], [301, 'https://app.example/']);
  assert.equal((await ask(ports.internal, { host: local })).status, 200);
  const asked = { host: 'app.example', authority: ca };
  assert.equal((await ask(ports.publicTls, asked)).status, 200);
  const proof = { host: 'app.example', path: '/.well-known/acme-challenge/token' };
  assert.equal((await ask(ports.public, proof)).status, 200);
  const { spec: _, ...object } = made;
  const enabled = { ...object, spec: { ...spec, httpOption: 'Enabled' as const } };
  await ready(client, await client.update(Ingress, enabled));
  assert.equal((await ask(ports.public, { host: 'app.example' })).status, 200);
  assert.equal((await ask(ports.publicTls, asked)).status, 200);
});

test('large bodies and changed protocols go through TLS as they do without', async () => {
  await using bed = await startGatewayBed();
  await using app = await startApp((request, response) => request.pipe(response));
  app.server.on('upgrade', (_request, socket) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n',
    );
    socket.pipe(socket);
  });
  await bed.secret('app', authority.serverFor('app.example'));
  await bed.service('app', [{ name: 'a', port: app.port }]);
  const rules = [ruleOf(['app.example'])];
  await ready(bed.cluster.client, await bed.ingress('app', { rules, tls: [tlsOf('app')] }));
  const { publicTls: port } = bed.gateway.ports;
  const body = Buffer.alloc(3_000_000, 'abcdefg');
  const echoed = await ask(port, { host: 'app.example', method: 'POST', body, authority: ca });
  assert.equal(echoed.body, body.toString());
  const { socket } = await shownTo(port, 'app.example');
  let received = '';
  socket.on('data', (chunk) => (received += String(chunk)));
  socket.write(
    'GET / HTTP/1.1\r\nHost: app.example\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n',
  );
  await once(socket, 'data');
  socket.end('the end');
  await once(socket, 'close');
  assert.match(received, /^HTTP\/1\.1 101 [^]*\r\n\r\nthe end$/);
});

test('who resets a connection in the middle of a refusal harms nobody', async () => {
  await using at = await startBed();
  const { publicTls: port } = at.bed.gateway.ports;
  const hello = await clientHello('unknown.example');
  for (let round = 0; round < 100; round += 1) {
    const socket = createConnection({ port, host: '127.0.0.1' });
    socket.on('error', () => undefined);
    await once(socket, 'connect');
    socket.write(hello);
    if (round % 2 === 0) await once(socket, 'readable');
    const closed = once(socket, 'close');
    socket.resetAndDestroy();
    await closed;
  }
  assert.equal(await refused(port, 'unknown.example'), 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME');
});

/** What a client says first that asks for a name. */
async function clientHello(servername: string): Promise<Buffer> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect({ port: portOf(server), host: '127.0.0.1', servername });
  client.on('error', () => undefined);
  const [raw] = await once(server, 'connection');
  const [hello] = await once(raw, 'data');
  client.destroy();
  server.close();
  return hello;
}

test('a handshake that does not end is cut off, and so is one that is on its way at the end', async () => {
  const clock = new FakeClock();
  const handshakes = new TlsHandshakes({
    contextFor: () => undefined,
    clock,
    onSecure: () => assert.fail('there is no certificate'),
  });
  const server = createServer((raw) => handshakes.begin(raw));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  for (const end of [() => clock.advance(10_000), () => handshakes[Symbol.dispose]()]) {
    const socket = createConnection({ port: portOf(server), host: '127.0.0.1' });
    socket.on('error', () => undefined);
    // The first bytes of a record that never comes whole.
    socket.write(Buffer.from([22, 3, 1]));
    await once(server, 'connection');
    clock.advance(9_000);
    assert.equal(socket.destroyed, false);
    const closed = once(socket, 'close');
    end();
    await closed;
  }
  server.close();
});
