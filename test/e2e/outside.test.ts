import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type AddressInfo } from 'node:net';
import { after, before } from 'node:test';
import { instanceOf } from '#supervisor/settings.ts';
import { byEveryKubectl, type KubectlClient } from '#test/support/kubectl-client.ts';
import { platform, run, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

/*
 * The world outside of the machine: a network namespace of its own, behind a link as a network card is one. Its addresses are
 * those that RFC 5737 keeps for examples.
 */
const HERE = '198.51.100.1';
const OUTSIDE = '198.51.100.2';
const UNASKED = '203.0.113.1';

let it: Platform;
let namespace = '';
let link = '';
let server: ChildProcess | undefined;

/** Says who asks. */
const SERVER = `require('node:net').createServer((s) => s.end(s.remoteAddress)).listen(PORT, '0.0.0.0', () => console.log('here'))`;

before(async () => {
  it = platform();
  namespace = `outside-${instanceOf(it.home)}`;
  link = `out${instanceOf(it.home)}`;
  const lines = [
    `netns add ${namespace}`,
    `link add ${link} type veth peer name eth0 netns ${namespace}`,
    `addr add ${HERE}/24 dev ${link}`,
    `addr add ${UNASKED}/32 dev ${link}`,
    `link set ${link} up`,
  ];
  const inside = [
    `addr add ${OUTSIDE}/24 dev eth0`,
    'link set eth0 up',
    `route add default via ${HERE}`,
  ];
  await ip(lines);
  await ip(inside, ['-n', namespace]);
  const up = await it.knode('up', '-d', '--listen', HERE, ...it.ports);
  assert.equal(up.code, 0, up.stderr);
  const image = await sampleImage(it);
  const command = ['node', '-e', SERVER.replace('PORT', '8080')];
  const spec = { terminationGracePeriodSeconds: 0, containers: [{ name: 'main', image, command }] };
  await apply(
    { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'web', labels: { app: 'web' } }, spec },
    service('web', { type: 'LoadBalancer' }),
  );
  await it.ok(['wait', 'pod/web', '--for=condition=Ready', '--timeout=60s']);
  const listening = ['netns', 'exec', namespace, process.execPath, '-e'] as const;
  server = spawn('ip', [...listening, SERVER.replace('PORT', '7000')], { stdio: 'pipe' });
  assert.ok(server.stdout);
  await once(server.stdout, 'data');
});

after(async () => {
  server?.kill();
  await it[Symbol.asyncDispose]();
  await ip([`link del ${link}`, `netns del ${namespace}`]);
});

async function ip(lines: readonly string[], options: readonly string[] = []): Promise<void> {
  const input = `${lines.join('\n')}\n`;
  const { code, stderr } = await run(['ip', ...options, '-batch', '-'], { input });
  assert.equal(code, 0, stderr);
}

async function apply(...items: readonly object[]): Promise<void> {
  await it.ok(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
}

function service(name: string, spec: object): object {
  const ports = [{ port: 8880, targetPort: 8080 }];
  const selector = { app: name };
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { ports, selector, ...spec },
  };
}

async function field(of: string, jsonPath: string): Promise<string> {
  return await it.ok(['get', ...of.split(' '), '-o', `jsonpath={${jsonPath}}`]);
}

/** A script that prints what a server says, or the code of the error, or `timeout`. */
function asks(host: string, port: number | string): string {
  return `const s = require('node:net').connect({ host: '${host}', port: ${port}, timeout: 1500 });
    s.on('data', (d) => console.log(String(d))).on('error', (e) => console.log(e.code));
    s.on('timeout', () => { console.log('timeout'); s.destroy(); })`;
}

async function fromOutside(host: string, port: number | string): Promise<string> {
  const command = ['ip', 'netns', 'exec', namespace, process.execPath, '-e', asks(host, port)];
  const { stdout } = await run(command as [string, ...string[]]);
  return stdout.trim();
}

const every = byEveryKubectl('outside', () => it);

async function fromPod(client: KubectlClient, host: string, port: number): Promise<string> {
  return (await client.ok(['exec', 'web', '--', 'node', '-e', asks(host, port)])).trim();
}

every(
  'pods reach it by the machine’s own address, and nothing else of the machine',
  async (client) => {
    assert.equal(await fromPod(client, OUTSIDE, 7000), HERE);
    // What nobody serves there is told by whoever is there, not by the machine.
    assert.equal(await fromPod(client, OUTSIDE, 7001), 'ECONNREFUSED');
    await using here = await listening();
    for (const host of [HERE, UNASKED, '127.0.0.1'])
      assert.match(await fromPod(client, host, here.port), /^(timeout|ECONNREFUSED)$/, host);
  },
);

/** Somebody else's server on this machine, on all of its addresses. */
async function listening(): Promise<AsyncDisposable & { readonly port: number }> {
  const own = createServer((socket) => socket.end('mine')).listen(0, '0.0.0.0');
  await once(own, 'listening');
  const { port } = own.address() as AddressInfo;
  return {
    port,
    async [Symbol.asyncDispose]() {
      own.close();
      await once(own, 'close');
    },
  };
}

every(
  'who is there reaches neither pods, nor ClusterIPs, nor the pod-facing address',
  async (client) => {
    const field = async (of: string, jsonPath: string): Promise<string> =>
      await client.ok(['get', ...of.split(' '), '-o', `jsonpath={${jsonPath}}`]);
    const pod = await field('pod web', '.status.podIP');
    const clusterIp = await field('svc web', '.spec.clusterIP');
    const podFacing = await field('svc web', '.status.loadBalancer.ingress[0].ip');
    const closed = /^(timeout|ECONNREFUSED|EHOSTUNREACH|ENETUNREACH)$/;
    const tries = [
      [pod, 8080],
      [clusterIp, 8880],
      [podFacing, 8880],
      [podFacing, 53],
    ] as const;
    const answers = await Promise.all(tries.map(([host, port]) => fromOutside(host, port)));
    for (const answer of answers) assert.match(answer, closed);
  },
);

every('node ports are where --listen says, and nowhere else', async (client) => {
  const name = client.own('door');
  const exposed = ['expose', 'pod', 'web', `--name=${name}`, '--port=80', '--target-port=8080'];
  await client.ok([...exposed, '--type=NodePort']);
  const found = ['get', 'svc', name, '-o', 'jsonpath={.spec.ports[0].nodePort}'];
  const nodePort = await client.ok(found);
  // A pod answers by way of the machine, so it may see who asks.
  const ask = (): Promise<string> => fromOutside(HERE, nodePort);
  await client.until(ask, new RegExp(`^${OUTSIDE}$`));
  assert.equal(await fromOutside(UNASKED, nodePort), 'ECONNREFUSED');
  await client.ok(['delete', 'svc', name]);
  await client.until(ask, /^ECONNREFUSED$/);
});

every('a Service whose endpoint is there is reached by pods and by the machine', async (client) => {
  const far = client.own('far');
  const labels = { 'kubernetes.io/service-name': far };
  await client.apply(
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: far },
      spec: { ports: [{ port: 80 }] },
    },
    {
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: far, labels },
      addressType: 'IPv4',
      endpoints: [{ addresses: [OUTSIDE] }],
      ports: [{ name: '', port: 7000, protocol: 'TCP' }],
    },
  );
  const clusterIp = await field(`svc ${far}`, '.spec.clusterIP');
  await client.until(async () => await fromPod(client, clusterIp, 80), new RegExp(`^${HERE}$`));
});
