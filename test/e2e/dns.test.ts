import assert from 'node:assert/strict';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { type Answer, decode, encode, type Packet } from 'dns-packet';
import { LengthPrefixed, prefixed } from '#dns/length-prefixed.ts';
import { oldKubectl } from '#test/support/clients-cache.ts';
import { platform, run, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

/*
 * Names as pods see them, of the cluster and of elsewhere. The platform runs where /etc/resolv.conf is ours, so that elsewhere
 * is a server of this test.
 */

let it: Platform;
let elsewhere: Elsewhere;
let resolvers = '';
let supervisor = 0;

before(async () => {
  it = platform();
  elsewhere = await startElsewhere('198.51.100.7');
  resolvers = path.join(it.home, 'resolv.conf');
  writeFileSync(resolvers, `nameserver ${elsewhere.address}\n`);
  const mounted = 'mount --bind "$0" /etc/resolv.conf && exec ./knode up -d "$@"';
  const inside = ['unshare', '--mount', 'sh', '-c', mounted, resolvers, ...it.ports] as const;
  const up = await run(inside, { env: it.env });
  assert.equal(up.code, 0, up.stderr);
  const { stdout } = await it.knode('status', '-o', 'json');
  supervisor = (JSON.parse(stdout) as { parts: { pid: number }[] }).parts[0]?.pid ?? 0;
  const image = await sampleImage(it);
  const command = ['node', '-e', 'setInterval(() => {}, 1e6)'];
  const spec = { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image, command }] };
  const asker = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'asker' }, spec };
  const dnsConfig = {
    searches: ['known.test'],
    options: [{ name: 'ndots', value: '1' }, { name: 'edns0' }],
  };
  const own = { ...asker, metadata: { name: 'own' }, spec: { ...spec, dnsConfig } };
  await apply(asker, own);
  await it.ok(['wait', 'pod/asker', 'pod/own', '--for=condition=Ready', '--timeout=60s']);
});

after(async () => {
  if (supervisor > 0)
    await run(['nsenter', '--mount', '--target', String(supervisor), './knode', 'down', '--wipe'], {
      env: it.env,
    });
  await elsewhere[Symbol.asyncDispose]();
  await it[Symbol.asyncDispose]();
});

interface Elsewhere extends AsyncDisposable {
  /** As /etc/resolv.conf names it. */
  readonly address: string;
  /** `udp A name` of each query, in order. */
  readonly asked: string[];
}

/** A name server that knows `known.test` and `many.known.test`, and that there is nothing else. */
async function startElsewhere(address: string): Promise<Elsewhere> {
  const asked: string[] = [];
  const answer = (query: Buffer, via: 'udp' | 'tcp'): Buffer => {
    const packet = decode(query);
    const [question = { name: '', type: 'A' as const }] = packet.questions ?? [];
    const { name, type } = question;
    asked.push(`${via} ${type} ${name}`);
    const isMany = name === 'many.known.test';
    const all = isMany ? Array.from({ length: 80 }, (_, at) => `198.51.100.${at + 1}`) : [address];
    const exists = isMany || name === 'known.test';
    const answers: Answer[] =
      exists && type === 'A' ? all.map((data) => ({ type: 'A', name, ttl: 300, data })) : [];
    const soa = {
      mname: 'ns.test',
      rname: 'root.test',
      serial: 1,
      refresh: 1,
      retry: 1,
      expire: 1,
    };
    const authority: Answer = {
      type: 'SOA',
      name: 'test',
      ttl: 300,
      data: { ...soa, minimum: 300 },
    };
    const reply: Packet = {
      type: 'response',
      id: packet.id ?? 0,
      flags: exists ? 0x180 : 0x183,
      questions: [question],
      answers,
      authorities: answers.length === 0 ? [authority] : [],
    };
    const bytes = encode(reply);
    if (via === 'tcp' || bytes.length <= 512) return bytes;
    return encode({ ...reply, flags: 0x380, answers: [] });
  };
  const udp: UdpSocket = createSocket('udp4');
  udp.on('message', (query, from) => udp.send(answer(query, 'udp'), from.port, from.address));
  udp.bind(0, '127.0.0.1');
  await once(udp, 'listening');
  const { port } = udp.address();
  const tcp: Server = createServer((socket) => {
    const queries = new LengthPrefixed((query) => socket.write(prefixed(answer(query, 'tcp'))));
    socket.on('data', (chunk: Buffer) => queries.write(chunk)).on('error', () => socket.destroy());
  });
  tcp.listen(port, '127.0.0.1');
  await once(tcp, 'listening');
  return {
    address: `127.0.0.1#${port}`,
    asked,
    async [Symbol.asyncDispose]() {
      udp.close();
      tcp.close();
      await once(tcp, 'close');
    },
  };
}

async function apply(...items: readonly object[]): Promise<void> {
  await it.ok(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
}

/** What node:dns says in a pod: by getaddrinfo with `lookup`, else by a resolver that speaks DNS itself. */
async function resolve(call: string, { pod = 'asker', kubectl = it.kubectlProgram } = {}) {
  const script = `require('node:dns').promises.${call}.then((r) => console.log(JSON.stringify(r)), (e) => console.log(JSON.stringify(e.code)))`;
  const command = [kubectl, 'exec', pod, '--', 'node', '-e', script] as const;
  const { code, stdout, stderr } = await run(command, { env: it.kubectlEnv });
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as unknown;
}

test('names of elsewhere are asked for there once, and answered for as long as was said', async () => {
  for (const kubectl of [it.kubectlProgram, oldKubectl()]) {
    assert.deepEqual(await resolve("resolve4('known.test')", { kubectl }), ['198.51.100.7']);
    assert.deepEqual(await resolve("resolve4('known.test')", { pod: 'own', kubectl }), [
      '198.51.100.7',
    ]);
    assert.equal(await resolve("resolve4('absent.test')", { kubectl }), 'ENOTFOUND');
    assert.equal(await resolve("resolve6('known.test')", { kubectl }), 'ENODATA');
  }
  const count = (query: string): number => elsewhere.asked.filter((each) => each === query).length;
  assert.equal(count('udp A known.test'), 1);
  assert.equal(count('udp A absent.test'), 1, 'also that there is none');
  assert.equal(count('udp AAAA known.test'), 1, 'and that there is nothing of that type');
});

test('names of the cluster never leave it, however they are written', async () => {
  await apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'here' },
    spec: { ports: [{ port: 80 }] },
  });
  const clusterIp = await it.ok(['get', 'svc', 'here', '-o', 'jsonpath={.spec.clusterIP}']);
  for (const name of ['here', 'here.default', 'here.default.svc', 'here.default.svc.cluster.local'])
    assert.deepEqual(await resolve(`lookup('${name}')`), { address: clusterIp, family: 4 }, name);
  assert.equal(await resolve("lookup('nobody')"), 'ENOTFOUND');
  // It has fewer dots than ndots, so that the cluster is searched first.
  assert.deepEqual(await resolve("lookup('known.test')"), { address: '198.51.100.7', family: 4 });
  assert.deepEqual(
    elsewhere.asked.filter((query) => /cluster\.local|svc|default/.test(query)),
    [],
  );
});

test('search domains: the cluster’s, then the pod’s own; options of its own count', async () => {
  const file = async (pod: string): Promise<string[]> =>
    (await it.ok(['exec', pod, '--', 'node', '-p', "String(fs.readFileSync('/etc/resolv.conf'))"]))
      .trim()
      .split('\n');
  const within = 'default.svc.cluster.local svc.cluster.local cluster.local';
  const [server = '', ...rest] = await file('asker');
  assert.match(server, /^nameserver 10\.\d+\.0\.1$/);
  assert.deepEqual(rest, [`search ${within}`, 'options ndots:5']);
  assert.deepEqual(await file('own'), [
    server,
    `search ${within} known.test`,
    'options ndots:1 edns0',
  ]);
  assert.deepEqual(await resolve("lookup('many')", { pod: 'own' }), {
    address: '198.51.100.1',
    family: 4,
  });
  assert.equal(await resolve("lookup('many')"), 'ENOTFOUND');
});

test('what is too long for a datagram comes by TCP, of the cluster and of elsewhere', async () => {
  const addresses = Array.from({ length: 90 }, (_, at) => `203.0.113.${at + 1}`);
  const labels = { 'kubernetes.io/service-name': 'crowd' };
  await apply(
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'crowd' },
      spec: { clusterIP: 'None', ports: [{ name: 'x', port: 80 }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: 'crowd-1', labels },
      addressType: 'IPv4',
      endpoints: addresses.map((address) => ({ addresses: [address] })),
      ports: [{ name: 'x', port: 80, protocol: 'TCP' }],
    },
  );
  const all = async (call: string): Promise<number> => ((await resolve(call)) as unknown[]).length;
  assert.equal(await all("resolve4('crowd.default.svc.cluster.local')"), 90);
  assert.equal(await all("lookup('crowd', { all: true })"), 90);
  assert.equal(await all("resolve4('many.known.test')"), 80);
  assert.ok(elsewhere.asked.includes('tcp A many.known.test'), elsewhere.asked.join('; '));
});

test('ExternalName: an alias of what is elsewhere is followed', async () => {
  await apply({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'outside' },
    spec: { type: 'ExternalName', externalName: 'known.test' },
  });
  const name = 'outside.default.svc.cluster.local';
  assert.deepEqual(await resolve(`resolveCname('${name}')`), ['known.test']);
  assert.deepEqual(await resolve("lookup('outside')"), { address: '198.51.100.7', family: 4 });
});

test('a machine that goes to another network asks the resolvers there, and none when there are none', async () => {
  await using other = await startElsewhere('192.0.2.9');
  writeFileSync(resolvers, `# another network\nnameserver ${other.address}\n`);
  let asked = 0;
  /** Of a name that nobody has asked for yet: answers are kept. */
  const untilSaid = async (wanted: () => boolean, says: string): Promise<void> => {
    const deadline = AbortSignal.timeout(30_000);
    for (;;) {
      asked += 1;
      const answer = await resolve(`resolve4('n${asked}.test')`);
      if (wanted() && answer === says) return;
      assert.ok(!deadline.aborted, `the last answer was ${JSON.stringify(answer)}, not ${says}`);
    }
  };
  await untilSaid(() => other.asked.length > 0, 'ENOTFOUND');
  const before = elsewhere.asked.length;
  await untilSaid(() => true, 'ENOTFOUND');
  assert.equal(elsewhere.asked.length, before, 'nobody asks there any more');
  writeFileSync(resolvers, '');
  await untilSaid(() => true, 'ESERVFAIL');
  assert.equal(
    ((await resolve("resolve4('crowd.default.svc.cluster.local')")) as unknown[]).length,
    90,
  );
});
