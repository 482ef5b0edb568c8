import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { call, pidOf, startPlatform, type Platform } from '#test/support/platform.ts';
import { pushImage } from '#test/support/sample-image.ts';

/** What a revision is made of, in real pods: several containers, what runs before them, claims; and its one place for requests. */

/** One program, by the part that it plays. */
const PROGRAM = `
import { readFileSync, writeFileSync, appendFileSync } from 'node:fs';
import { createServer } from 'node:http';
const { ROLE, PORT } = process.env;
const answers = {
  async main() {
    const beside = await (await fetch('http://127.0.0.1:8882/')).text();
    appendFileSync('/data/calls', 'x');
    return [readFileSync('/data/seed', 'utf8'), beside, readFileSync('/data/calls', 'utf8').length].join(' ');
  },
  beside: async () => 'beside',
};
let inside = 0;
async function single() {
  inside += 1;
  const most = inside;
  await new Promise((resolve) => setTimeout(resolve, 15));
  inside -= 1;
  return String(most);
}
if (ROLE === 'before') {
  writeFileSync('/data/seed', 'sown', { flag: 'a' });
  process.exit(0);
}
createServer(async (_, response) => response.end(await (answers[ROLE] ?? single)()))
  .listen(ROLE === 'beside' ? 8882 : Number(PORT));
`;
const timeout = 180_000;

let it: Platform;
let image: string;

before(
  async () => {
    it = await startPlatform();
    const source = path.join(it.home, 'program');
    mkdirSync(source);
    writeFileSync(path.join(source, 'server.mjs'), PROGRAM);
    image = await pushImage(it, { name: 'parts', source });
  },
  { timeout },
);
after(async () => await it[Symbol.asyncDispose](), { timeout });

async function deploy(name: string, template: object): Promise<string> {
  const service = {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name },
    spec: { template },
  };
  await it.ok(['apply', '-f', '-'], JSON.stringify(service));
  await it.ok(['wait', `ksvc/${name}`, '--for=condition=Ready', '--timeout=90s']);
  return (await it.ok(['get', 'ksvc', name, '-o', 'jsonpath={.status.url}'])).trim();
}

async function allow(features: readonly string[]): Promise<void> {
  const data = Object.fromEntries(features.map((name) => [name, 'enabled']));
  const patch = ['patch', 'configmap', 'config-features', '-n', 'knative-serving', '--type=merge'];
  await it.ok([...patch, '-p', JSON.stringify({ data })]);
}

async function untilBack(): Promise<void> {
  const deadlineMs = performance.now() + 30_000;
  while ((await it.kubectl(['get', '--raw', '/readyz'])).code !== 0) {
    assert.ok(performance.now() < deadlineMs, 'control was not back within 30 s');
  }
}

const claim = {
  apiVersion: 'v1',
  kind: 'PersistentVolumeClaim',
  metadata: { name: 'kept' },
  spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } },
};

test('a container before, one beside, and a claim that outlives them', { timeout }, async () => {
  await allow([
    'kubernetes.podspec-init-containers',
    'kubernetes.podspec-persistent-volume-claim',
    'kubernetes.podspec-persistent-volume-write',
    'kubernetes.podspec-securitycontext',
    'multi-container-probing',
  ]);
  await it.ok(['apply', '-f', '-'], JSON.stringify(claim));
  const volumeMounts = [{ name: 'data', mountPath: '/data' }];
  const part = (name: string, rest: object): object => ({
    name,
    image,
    env: [{ name: 'ROLE', value: name }],
    ...rest,
  });
  const template = (version: string): object => ({
    metadata: { annotations: { version } },
    spec: {
      securityContext: { fsGroup: 65532 },
      initContainers: [part('before', { volumeMounts })],
      containers: [
        part('main', { ports: [{ containerPort: 8080 }], volumeMounts }),
        part('beside', { readinessProbe: { tcpSocket: { port: 8882 } } }),
      ],
      volumes: [{ name: 'data', persistentVolumeClaim: { claimName: 'kept' } }],
    },
  });
  const url = await deploy('parts', template('1'));
  assert.equal((await call(url)).body, 'sown beside 1');
  assert.equal((await call(url)).body, 'sown beside 2');
  const digests = '{range .status.containerStatuses[*]}{.name}{"@"}{.imageDigest}{"\\n"}{end}';
  const told = await it.ok(['get', 'revision', 'parts-00001', '-o', `jsonpath=${digests}`]);
  assert.match(told, /^main@.*@sha256:[0-9a-f]{64}\nbeside@.*@sha256:[0-9a-f]{64}\n$/);
  // Another revision's pods find what the first one's left.
  await deploy('parts', template('2'));
  const deadlineMs = performance.now() + 60_000;
  let { body } = await call(url);
  while (!body.startsWith('sownsown')) {
    assert.ok(performance.now() < deadlineMs, body);
    ({ body } = await call(url));
  }
  assert.match(body, /^sownsown beside \d+$/);
  await it.ok(['delete', 'ksvc', 'parts', '--wait']);
});

test(
  'with room for one request there is one in each program, also while control is killed',
  { timeout },
  async () => {
    const url = await deploy('single', {
      metadata: {
        annotations: {
          'autoscaling.knative.dev/min-scale': '2',
          'autoscaling.knative.dev/max-scale': '3',
        },
      },
      spec: { containerConcurrency: 1, containers: [{ image }] },
    });
    const REQUESTS = 1_500;
    const CALLERS = 9;
    const KILLS = 2;
    const answers = new Map<string, number>();
    let begun = 0;
    let answered = 0;
    let reached = Promise.withResolvers<void>();
    let nextKill = REQUESTS / (KILLS + 1);
    async function caller(): Promise<void> {
      while (begun < REQUESTS) {
        begun += 1;
        const { status, body } = await call(url);
        const answer = `${status} ${body}`;
        answers.set(answer, (answers.get(answer) ?? 0) + 1);
        answered += 1;
        if (answered >= nextKill) reached.resolve();
      }
    }
    const callers = Promise.all(Array.from({ length: CALLERS }, caller));
    for (let kill = 1; kill <= KILLS; kill += 1) {
      await reached.promise;
      assert.ok(begun < REQUESTS, 'nobody calls any more: this would prove nothing');
      process.kill(pidOf(it.home, 'control'), 'SIGKILL');
      await untilBack();
      reached = Promise.withResolvers();
      nextKill = (REQUESTS / (KILLS + 1)) * (kill + 1);
      if (answered >= nextKill) reached.resolve();
    }
    await callers;
    assert.deepEqual([...answers], [['200 1', REQUESTS]]);
  },
);
