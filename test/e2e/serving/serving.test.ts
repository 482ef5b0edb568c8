import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { startLoad } from '#test/support/load.ts';
import { call } from '#test/support/platform.ts';
import { startServingCluster, type ServingCluster } from '#test/support/serving-cluster.ts';

/** As rude as a program may be: told to end, it ends, whatever it is asked at that moment. */
const PROGRAM = `
import { createServer } from 'node:http';
let held = 0;
const server = createServer((request, response) => {
  const [, what, ms] = request.url.split('/');
  if (what !== 'after') return response.end(what === 'held' ? String(held) : process.env.TARGET);
  held += 1;
  setTimeout(() => response.end(process.env.TARGET, () => (held -= 1)), Number(ms));
});
server.listen(Number(process.env.PORT));
process.once('SIGTERM', () => process.exit(1));
`;
const NAMESPACE = 'tour';
const SERVICE = 'serving.knative.dev/service';
/** Going to zero alone takes half of it. */
const timeout = 240_000;

let cluster: ServingCluster;
let image: string;

before(
  async () => {
    cluster = await startServingCluster();
    const source = mkdtempSync(path.join(tmpdir(), 'knode-program-'));
    writeFileSync(path.join(source, 'server.mjs'), PROGRAM);
    image = await cluster.push('rude', source);
    rmSync(source, { recursive: true });
    await cluster.ok(['create', 'namespace', NAMESPACE]);
  },
  { timeout },
);
after(
  async () => {
    await using _ = cluster;
    assert.deepEqual(cluster.complaints(), []);
    await cluster.ok(['delete', 'namespace', NAMESPACE, '--timeout=100s']);
  },
  { timeout },
);

interface Wanted {
  readonly target: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly traffic?: readonly object[];
}

/** Applies the Service and resolves with its URL once it is Ready. */
async function deploy(name: string, { target, annotations, traffic }: Wanted): Promise<string> {
  const env = [{ name: 'TARGET', value: target }];
  const template = {
    metadata: { annotations: { 'autoscaling.knative.dev/window': '6s', ...annotations } },
    spec: { containers: [{ image, env }] },
  };
  const service = {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name },
    spec: { template, ...(traffic && { traffic }) },
  };
  await inNamespace(['apply', '-f', '-'], JSON.stringify(service));
  await inNamespace(['wait', '--for=condition=Ready', `ksvc/${name}`, '--timeout=100s']);
  return await inNamespace(['get', 'ksvc', name, '-o', 'jsonpath={.status.url}']);
}

async function inNamespace(args: readonly string[], input?: string): Promise<string> {
  return await cluster.ok(['-n', NAMESPACE, ...args], input);
}

/** Resolves when no pod with that label is left. */
async function gone(label: string): Promise<void> {
  await inNamespace(['wait', '--for=delete', 'pod', '-l', label, '--timeout=100s']);
}

async function podsOf(name: string): Promise<string> {
  return await inNamespace(['get', 'pods', '-o', 'name', '-l', `${SERVICE}=${name}`]);
}

/** Resolves once a request is in the program that takes it eight seconds; the answer is status and body. */
async function lateAnswer(url: string): Promise<() => Promise<string>> {
  const answer = call(url, '/after/8000');
  while ((await call(url, '/held')).body === '0');
  return async () => {
    const { status, body } = await answer;
    return `${status} ${body}`;
  };
}

function say(text: string): void {
  process.stdout.write(`${cluster.isReal ? 'Kubernetes' : 'embedded'}: ${text}\n`);
}

const since = (startMs: number): string => `${Math.round(performance.now() - startMs)} ms`;

test(
  'a Service becomes ready, answers, goes to zero, and comes back when it is called',
  { timeout },
  async () => {
    const startMs = performance.now();
    const url = await deploy('hello', { target: 'hello' });
    say(`ready after ${since(startMs)}`);
    assert.match(url, /^http:\/\/hello\.tour\.localhost(:\d+)?$/);
    assert.equal((await call(url)).body, 'hello');
    const addresses = async (args: readonly string[]): Promise<string> =>
      await cluster.ok(['get', 'endpointslices', '-o', 'jsonpath={..addresses[0]}', ...args]);
    const ofService = (name: string): string => `kubernetes.io/service-name=${name}`;
    assert.equal(
      await addresses(['-n', NAMESPACE, '-l', ofService('hello-00001')]),
      await addresses(['-n', 'knative-serving', '-l', ofService('activator-service')]),
    );
    const calledMs = performance.now();
    await gone(`${SERVICE}=hello`);
    say(`at zero ${since(calledMs)} after its last request`);
    const cold = await call(url);
    say(`back after ${Math.round(cold.tookMs)} ms`);
    assert.deepEqual([cold.status, cold.body], [200, 'hello']);
    assert.match(await podsOf('hello'), /^pod\/hello-00001-deployment-\S+\n$/);
  },
);

test(
  'a new revision takes over, shares, and gives back, and no request fails',
  { timeout },
  async () => {
    const url = await deploy('roll', { target: 'one' });
    using load = startLoad(url);
    await deploy('roll', { target: 'two' });
    await gone('serving.knative.dev/revision=roll-00001');
    const share = (revisionName: string, percent: number, tag?: string): object => ({
      revisionName,
      percent,
      ...(tag !== undefined && { tag }),
    });
    const seen = async (): Promise<ReadonlySet<string>> => {
      const answers = await Promise.all(Array.from({ length: 100 }, () => call(url)));
      return new Set(answers.map(({ body }) => body));
    };
    assert.deepEqual(await seen(), new Set(['two']));
    const shared = [share('roll-00001', 50, 'before'), share('roll-00002', 50)];
    await deploy('roll', { target: 'two', traffic: shared });
    assert.deepEqual(await seen(), new Set(['one', 'two']));
    assert.equal((await call(url.replace('//', '//before-'))).body, 'one');
    await deploy('roll', { target: 'two', traffic: [share('roll-00001', 100)] });
    assert.deepEqual(await seen(), new Set(['one']));
    const { bodies, failures } = await load.stop();
    say(`rolled out and back under ${[...bodies.values()].reduce((a, b) => a + b)} requests`);
    assert.deepEqual(failures, []);
  },
);

test(
  'a pod that is deleted answers what it was asked, and the next one the rest',
  { timeout },
  async () => {
    const annotations = { 'autoscaling.knative.dev/min-scale': '1' };
    const url = await deploy('kept', { target: 'kept', annotations });
    const pod = await podsOf('kept');
    const late = await lateAnswer(url);
    using load = startLoad(url);
    await inNamespace(['delete', pod.trim(), '--wait=false']);
    assert.equal(await late(), '200 kept');
    await inNamespace(['wait', '--for=delete', pod.trim(), '--timeout=100s']);
    const { bodies, failures } = await load.stop();
    say(`moved to another pod under ${bodies.get('kept')} requests`);
    assert.deepEqual(failures, []);
    assert.notEqual(await podsOf('kept'), pod);
  },
);

test(
  'a Service that is deleted answers what it was asked, and nothing of it stays',
  { timeout },
  async () => {
    const url = await deploy('left', { target: 'left' });
    const late = await lateAnswer(url);
    await inNamespace(['delete', 'ksvc', 'left', '--timeout=60s']);
    assert.equal(await late(), '200 left');
    await gone(`${SERVICE}=left`);
    const kinds = 'configurations,routes,revisions,deployments,services,endpointslices';
    assert.equal(await inNamespace(['get', kinds, '-o', 'name', '-l', `${SERVICE}=left`]), '');
    assert.equal((await call(url)).status, 404);
  },
);

test(
  'whoever reconciles is killed: requests are answered, and somebody else goes on',
  { timeout },
  async () => {
    const annotations = { 'autoscaling.knative.dev/min-scale': '1' };
    const url = await deploy('steady', { target: 'before', annotations });
    using load = startLoad(url);
    const startMs = performance.now();
    await cluster.killLeader();
    say(`reconciled again ${since(startMs)} after the kill`);
    await deploy('steady', { target: 'after', annotations });
    const { failures } = await load.stop();
    assert.deepEqual(failures, []);
    assert.equal((await call(url)).body, 'after');
    await gone('serving.knative.dev/revision=steady-00001');
    assert.equal((await call(await deploy('fresh', { target: 'fresh' }))).body, 'fresh');
  },
);
