import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { oldKubectl } from '#test/support/clients-cache.ts';
import { run, startPlatform, type Outcome, type Platform } from '#test/support/platform.ts';
import { toolsImage, TOOLS_ENV } from '#test/support/sample-image.ts';

/* What people do by kubectl with more than one pod's one container; by a current one over both its protocols, and an old one. */

const overSpdy = {
  KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false',
  KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false',
};
const ways = [
  { name: 'WebSockets', isOld: false, env: {} },
  { name: 'SPDY', isOld: false, env: overSpdy },
  { name: 'an old kubectl', isOld: true, env: {} },
] as const;
type Way = (typeof ways)[number];

let it: Platform;

before(async () => {
  it = await startPlatform();
  const image = await toolsImage(it);
  const script = `
    require('node:http').createServer((q, s) => { console.log(q.url); s.end(process.env.HOSTNAME) }).listen(8080);
    require('node:net').createServer({ allowHalfOpen: true }, (s) => {
      let said = ''; s.on('data', (d) => said += d).on('end', () => s.end('heard ' + said));
    }).listen(7000);
    console.log('begun')`;
  const env = [
    ...TOOLS_ENV,
    { name: 'HOSTNAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
  ];
  const main = {
    name: 'main',
    image,
    env,
    command: ['node', '-e', script],
    readinessProbe: { tcpSocket: { port: 7000 } },
  };
  const beside = {
    name: 'beside',
    image,
    env: TOOLS_ENV,
    command: ['sh', '-c', 'echo beside; sleep 100000'],
  };
  const labels = { app: 'web' };
  const spec = { terminationGracePeriodSeconds: 0, containers: [main, beside] };
  const items = [
    {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'web' },
      spec: {
        replicas: 2,
        selector: { matchLabels: labels },
        template: { metadata: { labels }, spec },
      },
    },
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'web' },
      spec: {
        selector: labels,
        ports: [
          { name: 'http', port: 80, targetPort: 8080 },
          { name: 'echo', port: 81, targetPort: 7000 },
        ],
      },
    },
  ];
  await it.ok(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
  await it.ok(['rollout', 'status', 'deployment/web', '--timeout=60s']);
});

after(async () => await it[Symbol.asyncDispose]());

function programOf({ isOld }: Way): string {
  return isOld ? oldKubectl() : it.kubectlProgram;
}

async function kubectl(way: Way, ...args: string[]): Promise<Outcome> {
  return await run([programOf(way), ...args], {
    env: { ...it.kubectlEnv, ...way.env },
    timeoutMs: 30_000,
  });
}

/** kubectl port-forward, once it has said its local ports, in the order of the remote ones. */
async function forward(
  way: Way,
  ...args: string[]
): Promise<{ child: ChildProcess; ports: number[]; said: () => string }> {
  const child = spawn(programOf(way), ['port-forward', ...args], {
    env: { ...it.kubectlEnv, ...way.env },
  });
  let said = '';
  const ready = Promise.withResolvers<number[]>();
  const wanted = args.filter((arg) => arg.startsWith(':')).length;
  const take = (chunk: Buffer): void => {
    said += chunk.toString();
    const found = [...said.matchAll(/127\.0\.0\.1:(\d+) -> /g)].map(([, port]) => Number(port));
    if (found.length === wanted) ready.resolve(found);
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  child.once('exit', () => ready.reject(new Error(said)));
  return { child, ports: await ready.promise, said: () => said };
}

/** What is read until the other side ends, after all was sent and this side has. */
async function exchange(port: number, sent: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  socket.end(sent);
  return await text(socket).catch((error: NodeJS.ErrnoException) => error.code ?? 'failed');
}

for (const way of ways) {
  test(`${way.name}: port-forward to a Service and to a Deployment, by name and by number of its ports`, async () => {
    for (const target of ['service/web', 'deployment/web']) {
      const isService = target.startsWith('service');
      const { child, ports } = await forward(
        way,
        target,
        isService ? ':http' : ':8080',
        isService ? ':81' : ':7000',
      );
      const [http = 0, echo = 0] = ports;
      const reply = await fetch(`http://127.0.0.1:${http}/`);
      assert.match(await reply.text(), /^web-/);
      assert.equal(await exchange(echo, 'half is closed'), 'heard half is closed');
      child.kill();
    }
  });

  test(`${way.name}: a port that nobody listens on is told`, async () => {
    const { child, ports, said } = await forward(way, 'deployment/web', ':9999');
    const [closed = 0] = ports;
    assert.match(await exchange(closed, 'x'), /^(ECONNRESET)?$/);
    const deadline = AbortSignal.timeout(10_000);
    while (
      !/failed to connect to localhost:9999 inside the pod: connection refused/i.test(said())
    ) {
      assert.ok(!deadline.aborted, said());
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    // A current kubectl ends at the first of them.
    child.kill();
    const again = await forward(way, 'deployment/web', ':7000');
    assert.equal(await exchange(again.ports[0] ?? 0, 'again'), 'heard again');
    again.child.kill();
  });

  test(`${way.name}: cp of a folder, with links that stay within it`, async () => {
    const from = path.join(it.home, `from-${way.name.replaceAll(' ', '-')}`);
    mkdirSync(path.join(from, 'deep/er'), { recursive: true });
    writeFileSync(path.join(from, 'a file'), 'a');
    writeFileSync(path.join(from, 'deep/er/ünï.txt'), 'b');
    writeFileSync(path.join(from, 'empty'), '');
    writeFileSync(path.join(from, 'deep/run'), '#!/bin/sh\n', { mode: 0o755 });
    symlinkSync('deep/run', path.join(from, 'link'));
    const pods = await it.ok([
      'get',
      'pods',
      '-l',
      'app=web',
      '-o',
      'jsonpath={.items[*].metadata.name}',
    ]);
    const [pod = ''] = pods.split(' ');
    const there = await kubectl(
      way,
      'cp',
      from,
      `${pod}:/tmp/${path.basename(from)}`,
      '-c',
      'main',
    );
    assert.equal(there.code, 0, there.stderr);
    const inside = `/tmp/${path.basename(from)}`;
    const listed = await it.ok([
      'exec',
      pod,
      '-c',
      'main',
      '--',
      'sh',
      '-c',
      `cd ${inside}; cat 'a file' deep/er/*; ls -l deep/run link`,
    ]);
    assert.match(listed, /^ab-rwxr-xr-x .*link -> deep\/run/s);
    const to = `${from}-back`;
    const back = await kubectl(way, 'cp', `${pod}:${inside}`, to, '-c', 'main');
    assert.equal(back.code, 0, back.stderr);
    assert.equal(readFileSync(path.join(to, 'deep/er/ünï.txt'), 'utf8'), 'b');
    assert.equal(readFileSync(path.join(to, 'a file'), 'utf8'), 'a');
    assert.equal(lstatSync(path.join(to, 'empty')).size, 0);
    // An old kubectl makes links, a current one leaves them out and says so.
    if (readdirSync(to).includes('link'))
      assert.equal(readlinkSync(path.join(to, 'link')), 'deep/run');
    else assert.match(back.stderr, /skipping symlink|warning/i);
  });

  test(`${way.name}: logs of all pods of a Deployment, all containers, named, followed until told`, async () => {
    const args = ['logs', '-l', 'app=web', '--all-containers', '--prefix', '-f'];
    const child = spawn(programOf(way), args, { env: { ...it.kubectlEnv, ...way.env } });
    let said = '';
    const waiting: (() => void)[] = [];
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      for (const look of waiting) look();
    });
    const until = async (pattern: RegExp): Promise<void> => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const look = (): void => void (pattern.test(said) && resolve());
      waiting.push(look);
      look();
      await promise;
    };
    await until(/(\[pod\/web-\S+\/main\] begun[^]*){2}/);
    await until(/(\[pod\/web-\S+\/beside\] beside[^]*){2}/);
    const pods = await it.ok([
      'get',
      'pods',
      '-l',
      'app=web',
      '-o',
      'jsonpath={.items[*].status.podIP}',
    ]);
    const word = `/${way.name.replaceAll(' ', '-')}`;
    for (const address of pods.split(' ')) await fetch(`http://${address}:8080${word}`);
    await until(new RegExp(`(\\[pod/web-\\S+/main\\] ${word}[^]*){2}`));
    child.kill();
    await once(child, 'close');
    const recent = await kubectl(
      way,
      'logs',
      'deployment/web',
      '-c',
      'main',
      '--since=1h',
      '--tail=1',
    );
    assert.equal(recent.stdout.trim(), word);
    const later = await kubectl(
      way,
      'logs',
      'deployment/web',
      '-c',
      'main',
      '--since-time=2999-01-01T00:00:00Z',
    );
    assert.equal(later.stdout, '');
  });
}
