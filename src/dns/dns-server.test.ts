import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import { test } from 'node:test';
import { type Answer, decode, type DecodedPacket, encode, type Packet } from 'dns-packet';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { Service } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { Informers } from '#client/informers.ts';
import { startCluster } from '#test/support/cluster.ts';
import { type DnsServer, startDns } from './dns-server.ts';
import { LengthPrefixed, prefixed } from './length-prefixed.ts';

interface Bed extends AsyncDisposable {
  readonly dns: DnsServer;
}

/** A cluster with some Services, and a second server as the host's resolver that knows one name. */
async function startBed(options: { upstreams?: readonly string[] } = {}): Promise<Bed> {
  await using resources = new AsyncDisposableStack();
  const cluster = resources.use(await startCluster({ clock: systemClock }));
  const { client } = cluster;
  for (const { name, spec } of services) {
    await client.create(Service, {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { namespace: 'default', name },
      spec,
    });
  }
  for (const slice of slices) await client.create(EndpointSlice, slice);
  const stop = new AbortController();
  resources.defer(() => stop.abort());
  const base = { clock: systemClock, random: seededRandom(1), log: silentLog };
  const informers = resources.use(new Informers({ client, signal: stop.signal, ...base }));
  const dns = resources.use(
    await startDns({
      ...base,
      informers,
      address: '127.0.0.1',
      port: 0,
      clusterDomain: 'cluster.local',
      upstreams: () => options.upstreams ?? [],
    }),
  );
  await informers.synced();
  const owned = resources.move();
  return { dns, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

const services: readonly { name: string; spec: NonNullable<Service['spec']> }[] = [
  {
    name: 'web',
    spec: {
      clusterIP: '10.96.0.10',
      clusterIPs: ['10.96.0.10'],
      ports: [{ name: 'http', port: 80 }],
    },
  },
  { name: 'db', spec: { clusterIP: 'None', ports: [{ name: 'sql', port: 5432 }] } },
  { name: 'many', spec: { clusterIP: 'None', ports: [{ name: 'x', port: 1 }] } },
  { name: 'alias', spec: { type: 'ExternalName', externalName: 'web.default.svc.cluster.local' } },
  { name: 'loop', spec: { type: 'ExternalName', externalName: 'loop.default.svc.cluster.local' } },
  { name: 'outside', spec: { type: 'ExternalName', externalName: 'example.com' } },
];

const slices: readonly EndpointSlice[] = [
  slice('db', 5432, [
    { addresses: ['10.42.0.2'], hostname: 'db-0', conditions: { ready: true } },
    { addresses: ['10.42.0.3'], conditions: { ready: true } },
    { addresses: ['10.42.0.4'], conditions: { ready: false } },
  ]),
  slice(
    'many',
    1,
    Array.from({ length: 90 }, (_, index) => ({ addresses: [`10.43.0.${index + 1}`] })),
  ),
];

function slice(
  service: string,
  port: number,
  endpoints: EndpointSlice['endpoints'],
): EndpointSlice {
  return {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: {
      namespace: 'default',
      name: `${service}-1`,
      labels: { 'kubernetes.io/service-name': service },
    },
    addressType: 'IPv4',
    endpoints,
    ports: [{ name: service === 'db' ? 'sql' : 'x', port, protocol: 'TCP' }],
  };
}

async function overUdp(port: number, query: Buffer): Promise<Buffer> {
  const socket = createSocket('udp4');
  try {
    socket.send(query, port, '127.0.0.1');
    const [reply] = (await once(socket, 'message')) as [Buffer];
    return reply;
  } finally {
    socket.close();
  }
}

async function overTcp(port: number, query: Buffer): Promise<Buffer> {
  const socket = createConnection({ port, host: '127.0.0.1' });
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const messages = new LengthPrefixed(resolve);
  socket.on('data', (chunk: Buffer) => messages.write(chunk));
  for (const byte of prefixed(query)) socket.write(Buffer.of(byte));
  const reply = await promise;
  socket.destroy();
  return reply;
}

function query(
  name: string,
  type: 'A' | 'AAAA' | 'SRV' | 'PTR' | 'TXT' | 'CNAME',
  more: Packet = {},
) {
  return encode({ type: 'query', id: 4711, flags: 0x100, questions: [{ name, type }], ...more });
}

async function ask(dns: DnsServer, ...asked: Parameters<typeof query>): Promise<DecodedPacket> {
  return decode(await overUdp(dns.port, query(...asked)));
}

function dataOf(answers: readonly Answer[] | undefined): unknown[] {
  return (answers ?? []).map((answer) => ('data' in answer ? answer.data : undefined));
}

const rcodeOf = (packet: Packet): number => (packet.flags ?? 0) & 0xf;

test('dns: Services, headless ones and their endpoints by name', async () => {
  await using bed = await startBed();
  const cases: readonly [name: string, answers: unknown[]][] = [
    ['web.default.svc.cluster.local', ['10.96.0.10']],
    ['WEB.default.SVC.cluster.local', ['10.96.0.10']],
    ['db.default.svc.cluster.local', ['10.42.0.2', '10.42.0.3']],
    ['db-0.db.default.svc.cluster.local', ['10.42.0.2']],
    ['10-42-0-3.db.default.svc.cluster.local', ['10.42.0.3']],
    ['10-42-0-9.default.pod.cluster.local', ['10.42.0.9']],
    ['hello.default.localhost', ['127.0.0.1']],
  ];
  for (const [name, answers] of cases) {
    const reply = await ask(bed.dns, name, 'A');
    assert.deepEqual(dataOf(reply.answers), answers, name);
    assert.equal(reply.questions?.[0]?.name, name, 'the question comes back as it was sent');
    assert.equal(reply.id, 4711);
  }
});

test('dns: aliases are followed within the cluster, and not in circles', async () => {
  await using bed = await startBed();
  const alias = await ask(bed.dns, 'alias.default.svc.cluster.local', 'A');
  assert.deepEqual(dataOf(alias.answers), ['web.default.svc.cluster.local', '10.96.0.10']);
  const loop = await ask(bed.dns, 'loop.default.svc.cluster.local', 'A');
  assert.equal(rcodeOf(loop), 0);
  const outside = await ask(bed.dns, 'outside.default.svc.cluster.local', 'A');
  assert.deepEqual(dataOf(outside.answers), ['example.com']);
});

test('dns: SRV and PTR', async () => {
  await using bed = await startBed();
  const srv = await ask(bed.dns, '_http._tcp.web.default.svc.cluster.local', 'SRV');
  assert.deepEqual(dataOf(srv.answers), [
    { priority: 0, weight: 100, port: 80, target: 'web.default.svc.cluster.local' },
  ]);
  assert.deepEqual(dataOf(srv.additionals), ['10.96.0.10']);
  const endpoints = await ask(bed.dns, '_sql._tcp.db.default.svc.cluster.local', 'SRV');
  assert.deepEqual(
    dataOf(endpoints.answers).map((data) => (data as { target: string }).target),
    ['db-0.db.default.svc.cluster.local', '10-42-0-3.db.default.svc.cluster.local'],
  );
  const service = await ask(bed.dns, '10.0.96.10.in-addr.arpa', 'PTR');
  assert.deepEqual(dataOf(service.answers), ['web.default.svc.cluster.local']);
  const endpoint = await ask(bed.dns, '2.0.42.10.in-addr.arpa', 'PTR');
  assert.deepEqual(dataOf(endpoint.answers), ['db-0.db.default.svc.cluster.local']);
  const version = await ask(bed.dns, 'dns-version.cluster.local', 'TXT');
  assert.equal(String(dataOf(version.answers)), '1.1.0');
});

test('dns: what is not there says so, with how long that holds', async () => {
  await using bed = await startBed();
  const cases: readonly [string, 'A' | 'AAAA', number][] = [
    ['none.default.svc.cluster.local', 'A', 3],
    ['web.other.svc.cluster.local', 'A', 3],
    ['x.y.z.web.default.svc.cluster.local', 'A', 3],
    ['web.default.cluster.local', 'A', 3],
    ['a.web.default.svc.cluster.local', 'A', 3],
    ['web.default.svc.cluster.local', 'AAAA', 0],
    ['default.svc.cluster.local', 'A', 0],
    ['cluster.local', 'A', 0],
  ];
  for (const [name, type, rcode] of cases) {
    const reply = await ask(bed.dns, name, type);
    assert.equal(rcodeOf(reply), rcode, name);
    assert.deepEqual(reply.answers, [], name);
    assert.equal(reply.authorities?.[0]?.type, 'SOA', name);
  }
});

test('dns: what does not fit a datagram is marked, and whole over TCP or with EDNS', async () => {
  await using bed = await startBed();
  const name = 'many.default.svc.cluster.local';
  const short = await overUdp(bed.dns.port, query(name, 'A'));
  assert.ok(short.length <= 512);
  assert.equal(decode(short).flag_tc, true);
  const whole = decode(await overTcp(bed.dns.port, query(name, 'A')));
  assert.equal(whole.answers?.length, 90);
  const opt = { extendedRcode: 0, ednsVersion: 0, flags: 0, flag_do: false, options: [] };
  const edns: Answer = { type: 'OPT', name: '.', udpPayloadSize: 4096, ...opt };
  const larger = await overUdp(bed.dns.port, query(name, 'A', { additionals: [edns] }));
  assert.ok(larger.length <= 1232);
  assert.equal(decode(larger).additionals?.[0]?.type, 'OPT');
});

test('dns: other names go to the next server, with the id they came with', async () => {
  await using upstream = await startBed();
  const asUpstream = `127.0.0.1#${upstream.dns.port}`;
  // The first one does not exist: nothing listens there, and the second is asked.
  await using bed = await startBed({ upstreams: ['127.0.0.1#1', asUpstream] });
  const name = '8.8.8.8.in-addr.arpa';
  const udp = decode(await overUdp(bed.dns.port, query(name, 'PTR')));
  assert.equal(udp.id, 4711);
  assert.equal(rcodeOf(udp), 2, 'the second one has nobody to ask, and says so');
  assert.deepEqual(
    udp.questions?.map((each) => each.name),
    [name],
    'of what was asked',
  );
  const tcp = decode(await overTcp(bed.dns.port, query(name, 'PTR')));
  assert.equal(rcodeOf(tcp), 2);
});

test('dns: malformed queries get FORMERR, NOTIMP or nothing, and never an exception', async () => {
  await using bed = await startBed();
  const good = query('web.default.svc.cluster.local', 'A');
  const withByte = (at: number, value: number): Buffer => {
    const copy = Buffer.from(good);
    copy[at] = value;
    return copy;
  };
  assert.equal(rcodeOf(decode(await overUdp(bed.dns.port, withByte(5, 0)))), 1, 'no question');
  assert.equal(rcodeOf(decode(await overUdp(bed.dns.port, withByte(2, 0x28)))), 4, 'an update');
  const random = seededRandom(3);
  const socket = createSocket('udp4');
  const send = (bytes: Buffer): void => socket.send(bytes, bed.dns.port, '127.0.0.1');
  for (let round = 0; round < 500; round += 1) {
    const bytes = Buffer.from(good.subarray(0, 1 + Math.floor(random.fraction() * good.length)));
    bytes[Math.floor(random.fraction() * bytes.length)] = Math.floor(random.fraction() * 256);
    send(bytes);
    // A socket's buffer holds few datagrams: each answer shows that those before were taken.
    if (round % 25 > 0) continue;
    send(withByte(2, 0x81));
    const answer = await ask(bed.dns, 'web.default.svc.cluster.local', 'A');
    assert.deepEqual(dataOf(answer.answers), ['10.96.0.10']);
  }
  socket.close();
});

test('dns: a taken port is an error that says what to do', async () => {
  await using bed = await startBed();
  const informers = new Informers({
    client: { list: () => new Promise(() => undefined), async *watch() {} },
    clock: systemClock,
    random: seededRandom(1),
    log: silentLog,
    signal: AbortSignal.abort(),
  });
  await assert.rejects(
    startDns({
      informers,
      address: '127.0.0.1',
      port: bed.dns.port,
      clusterDomain: 'cluster.local',
      upstreams: () => [],
      clock: systemClock,
      random: seededRandom(1),
      log: silentLog,
    }),
    new RegExp(`cannot listen on 127.0.0.1 port ${bed.dns.port}: free the port`),
  );
});

test('a resolver that cannot even be asked is one that does not answer', async () => {
  // The broadcast address: connecting to it fails at once, as to a network that the machine has no route to.
  await using bed = await startBed({ upstreams: ['255.255.255.255'] });
  for (const ask of [overUdp, overTcp]) {
    const reply = decode(await ask(bed.dns.port, query('example.com', 'A')));
    assert.equal(rcodeOf(reply), 2);
  }
});

test('a client that asks much and reads the answers late loses none', async () => {
  await using bed = await startBed();
  const socket = createConnection({ port: bed.dns.port, host: '127.0.0.1' });
  socket.pause();
  // Each question is answered with 36 times its size.
  const questions = 3_000;
  const one = prefixed(query('many.default.svc.cluster.local', 'A'));
  socket.write(Buffer.concat(Array.from({ length: questions }, () => one)));
  // Meanwhile the server reads what it will.
  for (let count = 0; count < 20; count += 1) {
    await overUdp(bed.dns.port, query('web.default.svc.cluster.local', 'A'));
  }
  let answers = 0;
  const replies = new LengthPrefixed(() => {
    answers += 1;
    if (answers === questions) socket.end();
  });
  socket.on('data', (chunk: Buffer) => replies.write(chunk));
  socket.resume();
  await once(socket, 'end');
  assert.equal(answers, questions);
});
