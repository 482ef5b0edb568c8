import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { sleep, systemClock } from '#base/clock.ts';
import { reportFault, scaled, timesText } from '#test/support/fault-report.ts';
import { hostileCommand, hostileImage } from '#test/support/hostile-image.ts';
import { call, startPlatform, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

/*
 * F37: what one pod does to its neighbours while it does its worst, by the ways people and pods reach them. Nothing outside
 * of this machine is tried; where Kubernetes bounds only what has a limit, the hostile pod has one.
 */

const PER_SECOND = 25;
const SECONDS = scaled(40);

interface Attack {
  readonly args: readonly string[];
  readonly limits?: Readonly<Record<string, string>>;
  readonly volume?: object;
  /** The pod's phase or reason that it comes to while it is at it, where it does. */
  readonly comesTo?: string;
}

interface Bed {
  readonly it: Platform;
  readonly url: string;
  /** Where the pod that asks from inside is asked to. */
  readonly guest: string;
  readonly podFacing: string;
  readonly hostile: string;
}

function pod(name: string, container: object, spec: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: {
      terminationGracePeriodSeconds: 0,
      containers: [{ name: 'main', ...container }],
      ...spec,
    },
  };
}

/** Told for how long, it asks a Service of Knative by its name and a plain one, and says how that went. */
const GUEST = `
  const http = require('node:http');
  const ask = (url) => new Promise((done) => {
    const startMs = performance.now();
    const end = (error) => done({ ms: performance.now() - startMs, error });
    const request = http.get(url, { agent: false, timeout: 20000 }, (reply) => {
      reply.resume().on('end', () => end(reply.statusCode === 200 ? undefined : String(reply.statusCode))).on('error', (e) => end(e.code));
    });
    request.on('timeout', () => request.destroy(new Error('timeout'))).on('error', (e) => end(url + ' ' + (e.code ?? e.message)));
  });
  http.createServer(async (request, reply) => {
    if (request.url === '/') return reply.end('here');
    const [, count, perSecond] = request.url.split('/').map(Number);
    const urls = ['http://neighbour.default.svc.cluster.local/', 'http://guest.default.svc.cluster.local:8080/'];
    const all = await Promise.all(Array.from({ length: count }, async (_, at) => {
      await new Promise((go) => setTimeout(go, at * 1000 / perSecond));
      return ask(urls[at % urls.length]);
    }));
    reply.end(JSON.stringify(all));
  }).listen(8080);`;

async function apply(it: Platform, ...items: readonly object[]): Promise<void> {
  await it.ok(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }));
}

async function startBed(it: Platform): Promise<Bed> {
  const [image, hostile] = [await sampleImage(it), await hostileImage(it)];
  await apply(it, pod('guest', { image, command: ['node', '-e', GUEST] }), {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'guest' },
    spec: { ports: [{ port: 8080 }], selector: { app: 'guest' } },
  });
  const minScale = ['--annotation', 'autoscaling.knative.dev/min-scale=1'];
  const deployed = await it.knode('deploy', 'neighbour', '--image', image, ...minScale);
  assert.equal(deployed.code, 0, deployed.stderr);
  await it.ok(['wait', 'pod/guest', '--for=condition=Ready', '--timeout=60s']);
  const guest = await it.ok(['get', 'pod', 'guest', '-o', 'jsonpath={.status.podIP}']);
  const network = readFileSync(path.join(it.home, 'network.json'), 'utf8');
  const { podFacing } = JSON.parse(network) as { podFacing: string };
  return { it, url: deployed.stdout.trim(), guest, podFacing, hostile };
}

interface Asked {
  readonly ms: number;
  readonly error?: string;
}

/** Asks at a fixed rate whatever the answers do, each time over a connection of its own: from outside, and from a pod. */
async function ask({ url, guest }: Bed): Promise<Asked[]> {
  const count = PER_SECOND * SECONDS;
  const inside = http.get({
    host: guest,
    port: 8080,
    path: `/${count}/${PER_SECOND}`,
    agent: false,
  });
  const outside = Array.from({ length: count }, async (_, at) => {
    await sleep(systemClock, (at * 1000) / PER_SECOND);
    const startMs = performance.now();
    const error = await call(url).then(
      ({ status }) => (status === 200 ? undefined : String(status)),
      (failed: unknown) => String(failed),
    );
    return { ms: performance.now() - startMs, ...(error !== undefined && { error }) };
  });
  const [reply] = (await once(inside, 'response')) as [http.IncomingMessage];
  const told = JSON.parse(await text(reply)) as Asked[];
  return [...told, ...(await Promise.all(outside))];
}

/** While the attack goes on: it has begun before the first question, and is ended after the last. */
async function askDuring(bed: Bed, name: string, attack: Attack): Promise<Asked[]> {
  const { it, hostile: image } = bed;
  const { args, limits, volume, comesTo } = attack;
  const volumes = volume ? [{ name: 'room', ...volume }] : [];
  const container = {
    image,
    command: hostileCommand(...args),
    securityContext: { runAsUser: 0 },
    volumeMounts: volumes.map(() => ({ name: 'room', mountPath: '/room' })),
    ...(limits && { resources: { limits } }),
  };
  await apply(it, pod(name, container, { volumes }));
  await it.ok(['wait', `pod/${name}`, '--for=jsonpath={..startedAt}', '--timeout=60s']);
  const asked = await ask(bed);
  if (comesTo !== undefined) await it.ok(['wait', `pod/${name}`, `--for=jsonpath=${comesTo}`]);
  await it.ok(['delete', 'pod', name, '--now', '--timeout=60s']);
  return asked;
}

function attacksOn({ podFacing, guest }: Bed): Readonly<Record<string, Attack>> {
  const evicted = '{.status.reason}=Evicted';
  return {
    'fork-bomb': { args: ['fork_bomb'], limits: { memory: '512Mi' } },
    'memory-bomb': {
      args: ['memory_bomb'],
      limits: { memory: '128Mi' },
      comesTo: '{..lastState.terminated.reason}=OOMKilled',
    },
    'layer-filler': {
      args: ['fill', '/tmp'],
      limits: { 'ephemeral-storage': '64Mi' },
      comesTo: evicted,
    },
    'disk-filler': {
      args: ['fill', '/room'],
      volume: { emptyDir: { sizeLimit: '64Mi' } },
      comesTo: evicted,
    },
    'memory-filler': {
      args: ['fill', '/room'],
      volume: { emptyDir: { medium: 'Memory', sizeLimit: '64Mi' } },
    },
    'log-writer': { args: ['chatter'] },
    'datagrams-to-a-pod': { args: ['datagrams', guest] },
    'half-open-to-a-pod': { args: ['half_open', guest, '8080'] },
    'half-open-to-the-gateway': { args: ['half_open', podFacing, '80'] },
    'connections-to-the-gateway': { args: ['connections', podFacing, '80'] },
    'connections-to-dns': { args: ['connections', podFacing, '53'] },
    names: { args: ['names', podFacing] },
  };
}

test('F37: a hostile pod costs its neighbours no answer', async () => {
  await using it = await startPlatform();
  const bed = await startBed(it);
  const found: string[] = [];
  const note = (name: string, asked: readonly Asked[]): void => {
    const errors = asked.flatMap(({ error }) => error ?? []);
    const line = `${name}: ${timesText(asked.map(({ ms }) => ms))}`;
    process.stdout.write(`${line}, ${errors.length} of ${asked.length} failed\n`);
    found.push(line);
    assert.deepEqual(errors, [], name);
  };
  note('quiet', await ask(bed));
  const only = process.env['KNODE_FAULTS_ONLY'];
  const attacks = Object.entries(attacksOn(bed)).filter(
    ([name]) => only === undefined || name === only,
  );
  for (const [name, attack] of attacks) note(name, await askDuring(bed, name, attack));
  reportFault({
    id: 'F37',
    what: 'attacks of a pod on its neighbours, who answer every question',
    count: attacks.length,
    found: found.join('; '),
  });
});
