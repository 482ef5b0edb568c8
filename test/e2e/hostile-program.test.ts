import assert from 'node:assert/strict';
import { once } from 'node:events';
import { globSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { instanceOf } from '#supervisor/settings.ts';
import { hostileCommand, hostileImage } from '#test/support/hostile-image.ts';
import { kubectlClients } from '#test/support/kubectl-client.ts';
import { run, startPlatform, type Platform } from '#test/support/platform.ts';
import { sampleImage, toolsImage, TOOLS_ENV } from '#test/support/sample-image.ts';

/*
 * F37: programs that try what they must not. Only loopback, this machine's own addresses and pods are tried, and what is
 * to be bounded is small.
 */

let platform: Platform;
let podFacing = '';
let tools = '';
/** A program of this machine that pods have no business with. */
let secret: Server;
let secretPort = 0;

before(async () => {
  platform = await startPlatform();
  tools = await toolsImage(platform);
  const file = readFileSync(path.join(platform.home, 'network.json'), 'utf8');
  ({ podFacing } = JSON.parse(file) as { podFacing: string });
  secret = createServer((socket) => socket.end('secret')).listen(0, '0.0.0.0');
  await once(secret, 'listening');
  const address = secret.address();
  secretPort = typeof address === 'object' ? (address?.port ?? 0) : 0;
  const image = await sampleImage(platform);
  await apply(pod('hostile', {}), pod('neighbour', { image, command: undefined }), {
    ...service('neighbour', [{ port: 80, targetPort: 8080 }]),
  });
  await platform.ok(['wait', 'pod', '--all', '--for=condition=Ready', '--timeout=60s']);
});

after(async () => {
  secret.close();
  await platform[Symbol.asyncDispose]();
});

async function apply(...items: readonly object[]): Promise<void> {
  await platform.ok(
    ['apply', '-f', '-'],
    JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
  );
}

function pod(name: string, container: object, spec: object = {}): object {
  const idle = ['node', '-e', 'setInterval(() => {}, 1000)'];
  const main = { name: 'main', image: tools, env: TOOLS_ENV, command: idle, ...container };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: { terminationGracePeriodSeconds: 0, containers: [main], ...spec },
  };
}

function service(name: string, ports: readonly object[]): object {
  const metadata = { name };
  return { apiVersion: 'v1', kind: 'Service', metadata, spec: { ports, selector: { app: name } } };
}

async function inPod(...command: readonly string[]): Promise<string> {
  const { stdout, stderr } = await platform.kubectl(['exec', 'hostile', '--', ...command]);
  return `${stdout}${stderr}`.trim();
}

/** What comes of a connection from the pod: what was read, the code of the error, or `timeout`. */
async function dial(host: string, port: number, from?: string): Promise<string> {
  const options = JSON.stringify({ host, port, timeout: 1_500, localAddress: from });
  return await inPod(
    'node',
    '-e',
    `const s = require('node:net').connect(${options});
     s.on('connect', () => console.log('connected')).on('error', (e) => console.log(e.code));
     s.on('timeout', () => { console.log('timeout'); s.destroy(); }).on('data', (d) => { console.log(String(d)); s.destroy(); })`,
  );
}

const REFUSED = /^(ECONNREFUSED|EHOSTUNREACH|ENETUNREACH|EACCES|timeout)$/;

test('F37: this machine: neither its programs, nor its loopback, nor where clouds keep credentials', async () => {
  const own = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ family, internal }) => family === 'IPv4' && !internal)
    .map(({ address }) => address)
    .filter((address) => !address.startsWith(podFacing.split('.').slice(0, 2).join('.')));
  for (const host of [podFacing, '127.0.0.1', '169.254.169.254', ...own.slice(0, 2)])
    assert.match(await dial(host, secretPort), REFUSED, host);
  assert.match(await dial('169.254.169.254', 80), REFUSED);
});

test('F37: an endpoint by hand leads to nothing of this machine either', async () => {
  const ports = [{ name: 'x', port: secretPort, protocol: 'TCP' }];
  for (const [at, address] of [podFacing, '10.255.255.1'].entries()) {
    const name = `trap-${at}`;
    const labels = { 'kubernetes.io/service-name': name };
    await apply(
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name },
        spec: { ports: [{ name: 'x', port: 80 }] },
      },
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name, labels },
        addressType: 'IPv4',
        endpoints: [{ addresses: [address] }],
        ports,
      },
    );
    const clusterIp = await platform.ok(['get', 'svc', name, '-o', 'jsonpath={.spec.clusterIP}']);
    assert.match(await dial(clusterIp, 80), REFUSED, address);
  }
});

test('F37: a scan of this machine finds what pods may use, and nothing else', async () => {
  const found = await inPod(
    'node',
    '-e',
    `const net = require('node:net'); const open = []; let left = 0;
     const probe = (port) => new Promise((done) => {
       const s = net.connect({ host: '${podFacing}', port, timeout: 3000 });
       s.on('connect', () => { open.push(port); s.destroy(); }).on('error', () => {}).on('timeout', () => s.destroy()).on('close', done);
     });
     (async () => { for (let first = 1; first < 9216; first += 256)
       await Promise.all(Array.from({ length: 256 }, (_, at) => probe(first + at)));
       console.log(open.sort((a, b) => a - b).join()); })()`,
  );
  assert.equal(found, '53,80,443,8012,8081,8082,8444,8445');
});

test('F37: another pod’s address is not to be had', async () => {
  const address = await platform.ok(['get', 'pod', 'hostile', '-o', 'jsonpath={.status.podIP}']);
  const victim = await platform.ok(['get', 'pod', 'neighbour', '-o', 'jsonpath={.status.podIP}']);
  const namespaces = (await run(['ip', 'netns', 'list'])).stdout.match(/^\S+/gm) ?? [];
  const instance = instanceOf(platform.home);
  for (const namespace of namespaces.filter((name) => name.includes(instance))) {
    const { stdout } = await run(['ip', '-n', namespace, '-o', 'addr']);
    if (!stdout.includes(` ${address}/32`)) continue;
    // As a program with raw sockets would: its packets say they are from somebody else.
    await run(['ip', '-n', namespace, 'addr', 'add', `${victim}/32`, 'dev', 'lo']);
    await run(['ip', '-n', namespace, 'addr', 'add', '10.255.255.9/32', 'dev', 'lo']);
  }
  assert.match(await dial(podFacing, 8081), /^connected/);
  assert.equal(await dial(podFacing, 8081, victim), 'timeout');
  assert.equal(await dial(podFacing, 8081, '10.255.255.9'), 'timeout');
});

/** Says whom its datagrams were from. */
const LISTENER = `require('node:dgram').createSocket('udp4')
  .on('message', (text, from) => console.log(String(text), from.address)).bind(5000, () => console.log('listening'))`;

test('F37: raw sockets: what says that it is from others goes nowhere, and nobody is moved by ARP', async () => {
  const root = { securityContext: { runAsUser: 0 } };
  const image = await hostileImage(platform);
  const two = { image, command: hostileCommand(), ...root };
  const spec = {
    containers: [
      { name: 'main', ...two },
      { name: 'beside', ...two },
    ],
  };
  await apply(pod('raw', {}, spec), pod('listener', { command: ['node', '-e', LISTENER] }));
  await platform.ok(['wait', 'pod/raw', 'pod/listener', '--for=condition=Ready', '--timeout=60s']);
  const addressOf = async (name: string): Promise<string> =>
    await platform.ok(['get', 'pod', name, '-o', 'jsonpath={.status.podIP}']);
  const [own, victim, listener] = await Promise.all(
    ['raw', 'neighbour', 'listener'].map(addressOf),
  );
  assert.ok(own && victim && listener);
  const tries = async (...args: readonly string[]): Promise<Record<string, unknown>> => {
    const told = await platform.ok(['exec', 'raw', '-c', 'main', '--', ...hostileCommand(...args)]);
    return JSON.parse(told) as Record<string, unknown>;
  };
  const heard = platform.kubectlInBackground(['logs', '-f', 'listener']);
  await heard.until(/listening/);
  assert.deepEqual(await tries('claim', victim, podFacing, listener), { claimed: 3 });
  const others = [victim, podFacing, listener, '127.0.0.1', '10.255.255.9'];
  assert.deepEqual(await tries('spoof', listener, '5000', ...others), { sent: others.length });
  await heard.until(/honest/);
  heard.kill();
  // The honest one was sent last, by the same way.
  assert.equal(await platform.ok(['logs', 'listener']), `listening\nhonest ${own}\n`);
  const { stdout } = await run(['ip', '-4', 'neigh', 'show']);
  const ofRaw = stdout.split('\n').find((line) => line.startsWith(`${own} `));
  const link = /dev (\S+)/.exec(ofRaw ?? '')?.[1] ?? '';
  assert.notEqual(link, '');
  const moved = stdout.split('\n').filter((line) => line.includes(`dev ${link} `));
  assert.deepEqual(moved, [ofRaw], 'nobody else is believed to be there');
  const reply = await fetch(`http://${victim}:8080/`, { signal: AbortSignal.timeout(10_000) });
  assert.equal(reply.status, 200);
  // Of the container beside it, of the platform, of anybody.
  assert.deepEqual(await tries('ptrace'), { attached: [], seen: 2 });
});

test('F37: mounts, devices, namespaces, the kernel’s settings, other processes', async () => {
  const tries: Record<string, readonly [string, ...string[]]> = {
    'a mount': ['mount', '-t', 'tmpfs', 'none', '/tmp'],
    'a mount of /proc': ['mount', '-t', 'proc', 'none', '/tmp'],
    'a namespace': ['unshare', '--user', '--map-root-user', 'id'],
    'a network namespace': ['unshare', '--net', 'id'],
    'the disk': ['sh', '-c', 'mknod /tmp/disk b 254 0; head -c 1 /tmp/disk'],
    'the memory': ['sh', '-c', 'mknod /tmp/mem c 1 1; head -c 1 /tmp/mem'],
    'kernel settings': ['sh', '-c', 'echo x > /proc/sys/kernel/core_pattern'],
    sysrq: ['sh', '-c', 'echo b > /proc/sysrq-trigger'],
    cgroups: [
      'sh',
      '-c',
      'echo 1 > /sys/fs/cgroup/pids/pids.max || echo 1 > /sys/fs/cgroup/pids.max',
    ],
  };
  const outcome = async (command: readonly string[]): Promise<number | null> =>
    (await platform.kubectl(['exec', 'hostile', '--', ...command])).code;
  for (const [what, command] of Object.entries(tries))
    assert.notEqual(await outcome(command), 0, what);
  const [bound = ''] = globSync(
    `/sys/fs/cgroup/{,pids/}knode-${instanceOf(platform.home)}/pids.max`,
  );
  const most = Number(readFileSync('/proc/sys/kernel/pid_max', 'utf8'));
  assert.ok(Number(readFileSync(bound, 'utf8')) < most, 'all pods together leave some processes');
  const seen = (await inPod('sh', '-c', 'ls /proc'))
    .split(/\s+/)
    .filter((name) => /^\d+$/.test(name));
  assert.ok(seen.length < 10, `it sees ${seen.length} processes`);
});

test('F37: a fork bomb and a full memory disk end where they began; the neighbour answers every call', async () => {
  const bounded = { resources: { limits: { memory: '64Mi' } } };
  const volumes = [{ name: 'small', emptyDir: { medium: 'Memory', sizeLimit: '4Mi' } }];
  const volumeMounts = [{ name: 'small', mountPath: '/small' }];
  const fill = `const fs = require('node:fs'); const to = fs.openSync('/small/x', 'w'); let n = 0;
    try { for (;;) n += fs.writeSync(to, Buffer.alloc(65536)); } catch (e) { console.log(e.code, n); }`;
  await apply(
    pod('bomb', { ...bounded, command: ['sh', '-c', 'f() { f | f & }; f; sleep 600'] }),
    pod(
      'filler',
      { command: ['node', '-e', fill], volumeMounts },
      { volumes, restartPolicy: 'Never' },
    ),
  );
  await platform.ok([
    'wait',
    'pod/bomb',
    '--for=jsonpath={.status.phase}=Running',
    '--timeout=60s',
  ]);
  const clusterIp = await platform.ok([
    'get',
    'svc',
    'neighbour',
    '-o',
    'jsonpath={.spec.clusterIP}',
  ]);
  let answered = 0;
  for (let call = 0; call < 50; call += 1) {
    const reply = await fetch(`http://${clusterIp}/`, { signal: AbortSignal.timeout(10_000) });
    if (reply.status === 200) answered += 1;
  }
  assert.equal(answered, 50);
  // While it goes on everybody else is looked after, and it itself can be looked at.
  for (const client of kubectlClients(() => platform)) {
    assert.match(await client.ok(['describe', 'pod', 'bomb']), /^ +Restart Count: +\d+$/m);
    assert.equal(await client.ok(['exec', 'neighbour', '--', 'node', '-p', '6*7']), '42\n');
    const brief = { name: client.own('brief'), image: tools, env: TOOLS_ENV };
    const script = { command: ['sh', '-c', 'echo here'] };
    const spec = { restartPolicy: 'Never', containers: [{ ...brief, ...script }] };
    await client.apply({ apiVersion: 'v1', kind: 'Pod', metadata: { name: brief.name }, spec });
    assert.equal(await client.said(brief.name, brief.name), 'here\n');
  }
  await platform.ok([
    'wait',
    'pod/filler',
    '--for=jsonpath={.status.phase}=Succeeded',
    '--timeout=60s',
  ]);
  assert.match(await platform.ok(['logs', 'filler']), /^ENOSPC (4194304|41\d{5})$/m);
  await platform.ok(['delete', 'pod', 'bomb', '--wait']);
  const instance = instanceOf(platform.home);
  const textOf = (file: string): string => {
    try {
      return readFileSync(file, 'utf8');
    } catch {
      return ''; // It ended meanwhile.
    }
  };
  const alive = (): number =>
    globSync(`/sys/fs/cgroup/{,*/}knode-${instance}/**/cgroup.procs`).filter((file) => {
      const [pid = ''] = textOf(file).split('\n');
      return pid !== '' && textOf(`/proc/${pid}/cmdline`).includes('f | f');
    }).length;
  const deadlineMs = performance.now() + 20_000;
  while (alive() > 0) assert.ok(performance.now() < deadlineMs, 'the bomb goes on');
});

test('F37: half-open connections by the thousand are cut off before this machine has to remember them', async () => {
  const instance = instanceOf(platform.home);
  const sumOf = (files: readonly string[]): number =>
    files.reduce((sum, file) => sum + Number(readFileSync(file, 'utf8')), 0);
  const packets = (): number => {
    const links = readdirSync('/sys/class/net').filter((name) => name.startsWith(`kn${instance}-`));
    return sumOf(links.map((name) => `/sys/class/net/${name}/statistics/rx_packets`));
  };
  const remembered = (): number => sumOf(['/proc/sys/net/netfilter/nf_conntrack_count']);
  const command = hostileCommand('half_open', podFacing, '80');
  const image = await hostileImage(platform);
  const [beforePackets, before, startMs] = [packets(), remembered(), performance.now()];
  const root = { securityContext: { runAsUser: 0 } };
  // The image's own environment.
  await apply(pod('flood', { image, command, env: [], ...root }));
  await platform.ok(['wait', 'pod/flood', '--for=jsonpath={..startedAt}', '--timeout=60s']);
  const clusterIp = await platform.ok([
    'get',
    'svc',
    'neighbour',
    '-o',
    'jsonpath={.spec.clusterIP}',
  ]);
  let answered = 0;
  while (packets() - beforePackets < 60_000) {
    const reply = await fetch(`http://${clusterIp}/`, { signal: AbortSignal.timeout(10_000) });
    assert.equal(reply.status, 200);
    answered += 1;
  }
  const more = remembered() - before;
  const seconds = (performance.now() - startMs) / 1_000;
  await platform.ok(['delete', 'pod', 'flood', '--wait']);
  process.stdout.write(
    `${packets() - beforePackets} packets in ${seconds.toFixed(1)} s: ${more} remembered, ${answered} calls answered\n`,
  );
  // Five thousand at once and in each second after that, and what everybody else does meanwhile.
  assert.ok(more < 5_000 * (1 + seconds) + 2_000, `${more} in ${seconds} s`);
  assert.ok(more < 60_000);
});
