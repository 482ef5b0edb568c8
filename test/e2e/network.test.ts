import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import {
  byEveryKubectl,
  kubectlClients,
  type KubectlClient,
} from '#test/support/kubectl-client.ts';
import { startPlatform, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

/** Says by TCP and by UDP who it is and who asks; on SIGTERM it goes on for as long as it is let. */
const SERVER = `
  const me = require('node:os').hostname();
  process.on('SIGTERM', () => {});
  require('node:net').createServer((s) => s.end(me + ' ' + s.remoteAddress)).listen(8080, '0.0.0.0');
  const udp = require('node:dgram').createSocket('udp4');
  udp.on('message', (m, from) => udp.send(me, from.port, from.address));
  udp.bind(8080);`;

let platform: Platform;
let image = '';
let podFacing = '';

before(async () => {
  platform = await startPlatform();
  image = await sampleImage(platform);
  const file = readFileSync(path.join(platform.home, 'network.json'), 'utf8');
  ({ podFacing } = JSON.parse(file) as { podFacing: string });
});

after(async () => await platform[Symbol.asyncDispose]());

function pod(name: string, app: string, spec: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app } },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image, command: ['node', '-e', SERVER] }],
      ...spec,
    },
  };
}

const tcp = { name: 'tcp', port: 8880, targetPort: 8080 };
const udp = { name: 'udp', port: 8881, targetPort: 8080, protocol: 'UDP' };

function service(name: string, spec: object): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { ports: [tcp, udp], selector: { app: name }, ...spec },
  };
}

const every = byEveryKubectl('services', () => platform);
const [current] = kubectlClients(() => platform);

async function ready(client: KubectlClient, ...pods: readonly string[]): Promise<void> {
  const names = pods.map((name) => `pod/${name}`);
  await client.ok(['wait', ...names, '--for=condition=Ready', '--timeout=50s']);
}

async function field(client: KubectlClient, of: string, jsonPath: string): Promise<string> {
  return await client.ok(['get', ...of.split(' '), '-o', `jsonpath={${jsonPath}}`]);
}

/** What a server says to this machine, or the code of the error. */
async function ask(host: string, port: number): Promise<string> {
  const socket: Socket = connect({ host, port, timeout: 5_000 });
  socket.once('timeout', () => socket.destroy(new Error('timeout')));
  try {
    await once(socket, 'connect');
    return await text(socket);
  } catch (error) {
    return error instanceof Error && 'code' in error ? String(error.code) : String(error);
  }
}

async function askByUdp(host: string, port: number): Promise<string> {
  const socket = createSocket('udp4');
  socket.send('?', port, host);
  const [reply] = (await once(socket, 'message', { signal: AbortSignal.timeout(5_000) })) as [
    Buffer,
  ];
  socket.close();
  return reply.toString();
}

/** Runs a script in a pod; what it prints. */
async function inPod(client: KubectlClient, name: string, script: string): Promise<string> {
  return (await client.ok(['exec', name, '--', 'node', '-e', script])).trim();
}

/** A script that prints what a server says, or the code of the error. */
function asks(host: string, port: number): string {
  return `const s = require('node:net').connect({ host: '${host}', port: ${port}, timeout: 4000 });
    s.on('data', (d) => console.log(String(d))).on('error', (e) => console.log(e.code));
    s.on('timeout', () => { console.log('timeout'); s.destroy(); })`;
}

/** Asks until the answer is as wanted: rules follow objects within moments. */
async function until(ask: () => Promise<string>, wanted: RegExp): Promise<void> {
  const deadlineMs = performance.now() + 20_000;
  for (;;) {
    const answer = await ask();
    if (wanted.test(answer)) return;
    assert.ok(performance.now() < deadlineMs, `the last answer was ${answer}, not ${wanted}`);
  }
}

every(
  'every way to one, by TCP and UDP, from this machine, from a pod, and from itself',
  async (client) => {
    const [web, guest] = ['web', 'guest'].map((name) => client.own(name)) as [string, string];
    const svc = `svc/${web}`;
    await client.apply(pod(web, web), pod(guest, guest), service(web, { type: 'LoadBalancer' }));
    await ready(client, web, guest);
    const ingress = '.status.loadBalancer.ingress[0].ip';
    await until(async () => await field(client, svc, ingress), /./);
    const clusterIp = await field(client, svc, '.spec.clusterIP');
    const nodePort = Number(await field(client, svc, '.spec.ports[0].nodePort'));
    const udpNodePort = Number(await field(client, svc, '.spec.ports[1].nodePort'));
    assert.equal(await field(client, svc, ingress), podFacing);
    const asker = await field(client, `pod/${guest}`, '.status.podIP');
    const tcpWays = [
      [clusterIp, 8880],
      [podFacing, 8880],
      [podFacing, nodePort],
      ['127.0.0.1', nodePort],
    ] as const;
    for (const [host, port] of tcpWays) {
      await until(async () => await ask(host, port), new RegExp(`^${web} `));
      if (host === '127.0.0.1') continue;
      const answer = await inPod(client, guest, asks(host, port));
      assert.equal(answer, `${web} ${asker}`, 'and sees who asks');
      assert.ok((await inPod(client, web, asks(host, port))).startsWith(`${web} `), 'and itself');
    }
    for (const [host, port] of [
      [clusterIp, 8881],
      [podFacing, 8881],
      [podFacing, udpNodePort],
      ['127.0.0.1', udpNodePort],
    ] as const)
      assert.equal(await askByUdp(host, port), web, `${host}:${port}`);
    // All load balancers share the node's address: the next one may have these ports then.
    await client.ok(['delete', 'svc', web]);
  },
);

every('nobody behind one means no at once, everywhere', async (client) => {
  const nobody = client.own('nobody');
  await client.apply(pod(client.own('asker'), 'asker'), service(nobody, { type: 'NodePort' }));
  await ready(client, client.own('asker'));
  const clusterIp = await field(client, `svc/${nobody}`, '.spec.clusterIP');
  const nodePort = Number(await field(client, `svc/${nobody}`, '.spec.ports[0].nodePort'));
  for (const [host, port] of [
    [clusterIp, 8880],
    [podFacing, nodePort],
  ] as const) {
    assert.equal(await ask(host, port), 'ECONNREFUSED');
    assert.equal(await inPod(client, client.own('asker'), asks(host, port)), 'ECONNREFUSED');
  }
});

test('services: with affinity a client stays, also while other endpoints come', async () => {
  await current.apply(
    pod('stay-1', 'stay'),
    pod('stay-2', 'stay'),
    service('stay', { sessionAffinity: 'ClientIP' }),
  );
  await ready(current, 'stay-1', 'stay-2');
  const clusterIp = await field(current, 'svc/stay', '.spec.clusterIP');
  await until(async () => await ask(clusterIp, 8880), /^stay-/);
  const [mine = ''] = (await ask(clusterIp, 8880)).split(' ');
  await current.apply(pod('stay-3', 'stay'));
  await ready(current, 'stay-3');
  for (let call = 0; call < 20; call += 1)
    assert.equal((await ask(clusterIp, 8880)).split(' ')[0], mine);
  await platform.ok(['delete', 'pod', mine, '--wait']);
  await until(async () => await ask(clusterIp, 8880), /^stay-/);
  assert.notEqual((await ask(clusterIp, 8880)).split(' ')[0], mine);
});
