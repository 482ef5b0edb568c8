import assert from 'node:assert/strict';
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { type Answer, decode, encode, type Packet } from 'dns-packet';
import { LengthPrefixed, prefixed } from '#dns/length-prefixed.ts';
import {
  byEveryKubectl,
  kubectlClients,
  type KubectlClient,
} from '#test/support/kubectl-client.ts';
import { platform, run, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

/*
 * Names as pods see them, of the cluster and of elsewhere. The platform runs where /etc/resolv.conf is ours, so that elsewhere
 * is a server of this test.
 */

const IDLE = ['node', '-e', 'setInterval(() => {}, 1e6)'];

let it: Platform;
let image: string;
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
  image = await sampleImage(it);
  const containers = [{ name: 'main', image, command: IDLE }];
  const spec = { terminationGracePeriodSeconds: 0, containers };
  const asker = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'asker' }, spec };
  const dnsConfig = {
    searches: ['known.test'],
    options: [{ name: 'ndots', value: '1' }, { name: 'edns0' }],
  };
  const own = { ...asker, metadata: { name: 'own' }, spec: { ...spec, dnsConfig } };
  const items = { apiVersion: 'v1', kind: 'List', items: [asker, own] };
  await it.ok(['apply', '-f', '-'], JSON.stringify(items));
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

const every = byEveryKubectl('names', () => it);

/** What node:dns says in a pod: by getaddrinfo with `lookup`, else by a resolver that speaks DNS itself. */
async function resolve(client: KubectlClient, call: string, pod = 'asker'): Promise<unknown> {
  const script = `require('node:dns').promises.${call}.then((r) => console.log(JSON.stringify(r)), (e) => console.log(JSON.stringify(e.code)))`;
  return JSON.parse(await client.ok(['exec', pod, '--', 'node', '-e', script])) as unknown;
}

function service(name: string, spec: object): object {
  return { apiVersion: 'v1', kind: 'Service', metadata: { name }, spec };
}

const at = (address: string): object => ({ address, family: 4 });

every(
  'of elsewhere are asked for there once, and answered for as long as was said',
  async (client) => {
    const ask = (call: string, pod?: string): Promise<unknown> => resolve(client, call, pod);
    assert.deepEqual(await ask("resolve4('known.test')"), ['198.51.100.7']);
    assert.deepEqual(await ask("resolve4('known.test')", 'own'), ['198.51.100.7']);
    assert.equal(await ask("resolve4('absent.test')"), 'ENOTFOUND');
    assert.equal(await ask("resolve6('known.test')"), 'ENODATA');
    const count = (query: string): number =>
      elsewhere.asked.filter((each) => each === query).length;
    assert.equal(count('udp A known.test'), 1);
    assert.equal(count('udp A absent.test'), 1, 'also that there is none');
    assert.equal(count('udp AAAA known.test'), 1, 'and that there is nothing of that type');
  },
);

every('of the cluster never leave it, however they are written', async (client) => {
  const here = client.own('here');
  await client.apply(service(here, { ports: [{ port: 80 }] }));
  const clusterIp = await client.ok(['get', 'svc', here, '-o', 'jsonpath={.spec.clusterIP}']);
  for (const rest of ['', '.default', '.default.svc', '.default.svc.cluster.local'])
    assert.deepEqual(await resolve(client, `lookup('${here}${rest}')`), at(clusterIp), rest);
  assert.equal(await resolve(client, "lookup('nobody')"), 'ENOTFOUND');
  // It has fewer dots than ndots, so that the cluster is searched first.
  assert.deepEqual(await resolve(client, "lookup('known.test')"), at('198.51.100.7'));
  assert.deepEqual(
    elsewhere.asked.filter((query) => /cluster\.local|svc|default/.test(query)),
    [],
  );
});

every('of Services, ports, addresses, and hosts of headless ones', async (client) => {
  const [flock, single, member] = ['flock', 'single', 'member'].map((name) => client.own(name)) as [
    string,
    string,
    string,
  ];
  const labels = { app: flock };
  const spec = {
    hostname: 'first',
    subdomain: flock,
    terminationGracePeriodSeconds: 0,
    containers: [{ name: 'main', image, command: IDLE }],
  };
  const ports = [
    { name: 'tcp', port: 8880 },
    { name: 'udp', port: 8881, protocol: 'UDP' },
  ];
  await client.apply(
    { apiVersion: 'v1', kind: 'Pod', metadata: { name: member, labels }, spec },
    service(flock, { clusterIP: 'None', selector: labels, ports }),
    service(single, { ports }),
  );
  await client.ok(['wait', `pod/${member}`, '--for=condition=Ready', '--timeout=50s']);
  const address = await client.ok(['get', 'pod', member, '-o', 'jsonpath={.status.podIP}']);
  const clusterIp = await client.ok(['get', 'svc', single, '-o', 'jsonpath={.spec.clusterIP}']);
  const within = 'default.svc.cluster.local';
  const fqdn = `first.${flock}.${within}`;
  const rows: readonly (readonly [call: string, answer: unknown])[] = [
    [`lookup('${flock}')`, at(address)],
    [`resolve4('${single}.${within}')`, [clusterIp]],
    [`resolve6('${single}.${within}')`, 'ENODATA'],
    [`resolve4('absent.${within}')`, 'ENOTFOUND'],
    [
      `resolveSrv('_tcp._tcp.${single}.${within}')`,
      [{ name: `${single}.${within}`, type: 'SRV', port: 8880, priority: 0, weight: 100 }],
    ],
    [
      `resolveSrv('_udp._udp.${flock}.${within}')`,
      [{ name: fqdn, type: 'SRV', port: 8881, priority: 0, weight: 100 }],
    ],
    [`resolve4('${fqdn}')`, [address]],
    [`lookup('first.${flock}')`, at(address)],
    [`resolve4('${address.replaceAll('.', '-')}.default.pod.cluster.local')`, [address]],
    [`reverse('${clusterIp}')`, [`${single}.${within}`]],
    [`reverse('${address}')`, [fqdn]],
    ["reverse('198.51.100.77')", 'ENOTFOUND'],
  ];
  await client.until(
    async () => JSON.stringify(await resolve(client, `lookup('${flock}')`)),
    /\d\./,
  );
  for (const [call, answer] of rows) assert.deepEqual(await resolve(client, call), answer, call);
  const hosts = await client.ok(['exec', member, '--', 'node', '-p', readText('/etc/hosts')]);
  assert.ok(hosts.includes(`${address}\t${fqdn}\tfirst`), hosts);
  await client.ok(['delete', 'pod', member]);
  await client.until(
    async () => JSON.stringify(await resolve(client, `lookup('${flock}')`)),
    /ENOT/,
  );
});

const readText = (file: string): string => `String(fs.readFileSync('${file}')).trim()`;

every(
  'are searched for in the cluster, then in domains of the pod’s own; its options count',
  async (client) => {
    const file = async (pod: string): Promise<string[]> =>
      (await client.ok(['exec', pod, '--', 'node', '-p', readText('/etc/resolv.conf')]))
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
    assert.deepEqual(await resolve(client, "lookup('many')", 'own'), at('198.51.100.1'));
    assert.equal(await resolve(client, "lookup('many')"), 'ENOTFOUND');
  },
);

every(
  'with more answers than a datagram has room for come by TCP, of the cluster and of elsewhere',
  async (client) => {
    const crowd = client.own('crowd');
    const addresses = Array.from({ length: 90 }, (_, index) => `203.0.113.${index + 1}`);
    const labels = { 'kubernetes.io/service-name': crowd };
    await client.apply(service(crowd, { clusterIP: 'None', ports: [{ name: 'x', port: 80 }] }), {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: crowd, labels },
      addressType: 'IPv4',
      endpoints: addresses.map((address) => ({ addresses: [address] })),
      ports: [{ name: 'x', port: 80, protocol: 'TCP' }],
    });
    const count = async (call: string): Promise<number> =>
      ((await resolve(client, call)) as unknown[]).length;
    assert.equal(await count(`resolve4('${crowd}.default.svc.cluster.local')`), 90);
    assert.equal(await count(`lookup('${crowd}', { all: true })`), 90);
    assert.equal(await count("resolve4('many.known.test')"), 80);
    assert.ok(elsewhere.asked.includes('tcp A many.known.test'), elsewhere.asked.join('; '));
  },
);

every('that are aliases, of the cluster and of elsewhere, are followed', async (client) => {
  const [outside, inside, single] = ['outside', 'inside', 'aliased'].map((name) =>
    client.own(name),
  ) as [string, string, string];
  const alias = (name: string, externalName: string): object =>
    service(name, { type: 'ExternalName', externalName });
  const within = 'default.svc.cluster.local';
  await client.apply(
    service(single, { ports: [{ port: 80 }] }),
    alias(outside, 'known.test'),
    alias(inside, `${single}.${within}`),
  );
  const clusterIp = await client.ok(['get', 'svc', single, '-o', 'jsonpath={.spec.clusterIP}']);
  assert.deepEqual(await resolve(client, `resolveCname('${outside}.${within}')`), ['known.test']);
  assert.deepEqual(await resolve(client, `lookup('${outside}')`), at('198.51.100.7'));
  assert.deepEqual(await resolve(client, `lookup('${inside}')`), at(clusterIp));
});

test('names: a machine that goes to another network asks the resolvers there, and none when there are none', async () => {
  const clients = kubectlClients(() => it);
  await using other = await startElsewhere('192.0.2.9');
  writeFileSync(resolvers, `# another network\nnameserver ${other.address}\n`);
  let asked = 0;
  /** To each kubectl, of a name that nobody has asked for yet: answers are kept. */
  const untilSaid = async (wanted: () => boolean, says: string): Promise<void> => {
    const deadline = AbortSignal.timeout(30_000);
    for (const client of clients)
      for (let answer: unknown; !wanted() || answer !== says;) {
        asked += 1;
        answer = await resolve(client, `resolve4('n${asked}.test')`);
        assert.ok(!deadline.aborted, `the last answer was ${JSON.stringify(answer)}, not ${says}`);
      }
  };
  await untilSaid(() => other.asked.length > 0, 'ENOTFOUND');
  const before = elsewhere.asked.length;
  await untilSaid(() => true, 'ENOTFOUND');
  assert.equal(elsewhere.asked.length, before, 'nobody asks there any more');
  writeFileSync(resolvers, '');
  await untilSaid(() => true, 'ESERVFAIL');
  for (const client of clients) {
    const crowd = await resolve(client, "resolve4('crowd-now.default.svc.cluster.local')");
    assert.equal((crowd as unknown[]).length, 90);
  }
  writeFileSync(resolvers, `nameserver ${elsewhere.address}\n`);
  await untilSaid(() => elsewhere.asked.length > before, 'ENOTFOUND');
});
