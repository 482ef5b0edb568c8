import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { oldKubectl } from '#test/support/clients-cache.ts';
import { run, startPlatform, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

/* Every kind of Service as people make and look at it by kubectl, a current one and one of 2021, and what then answers there. */

let it: Platform;
let image = '';

before(async () => {
  it = await startPlatform();
  image = await sampleImage(it);
});

after(async () => await it[Symbol.asyncDispose]());

const SERVER = `require('node:net').createServer((s) => s.end(require('node:os').hostname())).listen(8080)`;

/** What is said there, or the code of the error. */
async function ask(host: string, port: number): Promise<string> {
  const socket = connect({ host, port, timeout: 5_000 });
  socket.once('timeout', () => socket.destroy(new Error('timeout')));
  return await text(socket).catch((error: NodeJS.ErrnoException) => error.code ?? error.message);
}

async function until(look: () => Promise<string>, wanted: RegExp): Promise<string> {
  const deadline = AbortSignal.timeout(20_000);
  for (;;) {
    const found = await look();
    if (wanted.test(found)) return found;
    assert.ok(!deadline.aborted, `the last answer was ${found}, not ${wanted}`);
  }
}

for (const client of ['current', 'old'] as const) {
  const kubectl = async (...args: string[]): Promise<string> => {
    const program = client === 'old' ? oldKubectl() : it.kubectlProgram;
    const { code, stdout, stderr } = await run([program, ...args], { env: it.kubectlEnv });
    assert.equal(code, 0, `kubectl ${args.join(' ')}: ${stderr}`);
    return stdout.trim();
  };
  const named = (name: string): string => `${name}-${client}`;
  const web = named('web');
  const columns = async (name: string): Promise<string[]> =>
    (await kubectl('get', 'svc', name, '--no-headers')).split(/\s+/);
  const portOf = (column = ''): number => Number(/:(\d+)\/TCP/.exec(column)?.[1]);

  test(`${client} kubectl: run, expose, and look at who serves`, async () => {
    const command = ['--command', '--', 'node', '-e', SERVER];
    await kubectl('run', web, `--image=${image}`, '--port=8080', ...command);
    await kubectl('wait', `pod/${web}`, '--for=condition=Ready', '--timeout=60s');
    await kubectl('expose', 'pod', web, '--port=80', '--target-port=8080');
    const [, type, clusterIp = '', external, ports] = await columns(web);
    assert.deepEqual([type, external, ports], ['ClusterIP', '<none>', '80/TCP']);
    await until(async () => await ask(clusterIp, 80), new RegExp(`^${web}$`));
    const address = await kubectl('get', 'pod', web, '-o', 'jsonpath={.status.podIP}');
    const slices = await kubectl(
      'get',
      'endpointslices',
      '-l',
      `kubernetes.io/service-name=${web}`,
      '-o',
      'wide',
    );
    assert.ok(slices.includes(address), slices);
    const described = await kubectl('describe', 'svc', web);
    assert.match(described, new RegExp(`Endpoints: +${address}:8080`));
    await kubectl('delete', 'svc', web);
    await until(async () => await ask(clusterIp, 80), /^ECONNREFUSED$/);
  });

  test(`${client} kubectl: node ports and load balancers`, async () => {
    const balanced = named('balanced');
    await kubectl(
      'expose',
      'pod',
      web,
      '--port=8070',
      '--target-port=8080',
      '--type=NodePort',
      `--name=${named('node')}`,
    );
    const [, type, , external, ports] = await columns(named('node'));
    assert.deepEqual([type, external], ['NodePort', '<none>']);
    await until(async () => await ask('127.0.0.1', portOf(ports)), new RegExp(`^${web}$`));
    const port = client === 'old' ? 8061 : 8062;
    await kubectl(
      'expose',
      'pod',
      web,
      `--port=${port}`,
      '--target-port=8080',
      '--type=LoadBalancer',
      `--name=${balanced}`,
    );
    await until(async () => (await columns(balanced))[3] ?? '', /^10\./);
    const [, , , address = '', both] = await columns(balanced);
    for (const [host, each] of [
      [address, port],
      ['127.0.0.1', portOf(both)],
    ] as const)
      await until(async () => await ask(host, each), new RegExp(`^${web}$`));
    // Taken back, the door is shut.
    await kubectl('patch', 'svc', balanced, '-p', '{"spec":{"type":"ClusterIP"}}');
    await until(async () => await ask('127.0.0.1', portOf(both)), /^ECONNREFUSED$/);
    await until(async () => await ask(address, port), /^(ECONNREFUSED|ECONNRESET)$/);
    await kubectl('delete', 'svc', named('node'), balanced);
  });

  test(`${client} kubectl: headless ones and aliases, by name`, async () => {
    const flock = named('flock');
    await kubectl('expose', 'pod', web, '--port=8080', '--cluster-ip=None', `--name=${flock}`);
    assert.deepEqual((await columns(flock)).slice(1, 4), ['ClusterIP', 'None', '<none>']);
    const alias = `${flock}.default.svc.cluster.local`;
    await kubectl('create', 'service', 'externalname', named('alias'), `--external-name=${alias}`);
    assert.deepEqual((await columns(named('alias'))).slice(1, 4), [
      'ExternalName',
      '<none>',
      alias,
    ]);
    const address = await kubectl('get', 'pod', web, '-o', 'jsonpath={.status.podIP}');
    for (const name of [flock, named('alias')]) {
      const script = `require('node:dns').lookup('${name}', (e, a) => console.log(e?.code ?? a))`;
      const look = async (): Promise<string> =>
        await kubectl('exec', web, '--', 'node', '-e', script);
      await until(look, new RegExp(`^${address}$`));
    }
    await kubectl('delete', 'svc', flock, named('alias'));
  });

  test(`${client} kubectl: scaled, drained and gone: nobody is sent to who has left`, async () => {
    const many = named('many');
    await kubectl('create', 'deployment', many, `--image=${image}`, '--port=8080');
    const command = [
      {
        op: 'add',
        path: '/spec/template/spec/containers/0/command',
        value: ['node', '-e', SERVER],
      },
    ];
    await kubectl('patch', 'deployment', many, '--type=json', '-p', JSON.stringify(command));
    await kubectl('scale', 'deployment', many, '--replicas=3');
    await kubectl('rollout', 'status', `deployment/${many}`, '--timeout=60s');
    await kubectl('expose', 'deployment', many, '--port=80', '--target-port=8080');
    const [, , clusterIp = ''] = await columns(many);
    const seen = new Set<string>();
    await until(async () => {
      seen.add(await ask(clusterIp, 80));
      return String(seen.size);
    }, /^[3-9]$/);
    await kubectl('patch', 'svc', many, '-p', '{"spec":{"sessionAffinity":"ClientIP"}}');
    assert.match(await kubectl('describe', 'svc', many), /Session Affinity: +ClientIP/);
    const tenTimes = async (): Promise<string> =>
      (await Promise.all(Array.from({ length: 10 }, async () => await ask(clusterIp, 80)))).join();
    const mine = await until(tenTimes, /^([^,]+)(,\1){9}$/);
    assert.equal(await tenTimes(), mine);
    await kubectl('scale', 'deployment', many, '--replicas=1');
    const left = `{.status.readyReplicas} {.status.replicas}`;
    await until(
      async () => await kubectl('get', 'deployment', many, '-o', `jsonpath=${left}`),
      /^1 1$/,
    );
    await until(tenTimes, new RegExp(`^(${many}-[^,]+)(,\\1){9}$`));
    await kubectl('delete', 'deployment,svc', many);
    await until(async () => await ask(clusterIp, 80), /^ECONNREFUSED$/);
  });

  test(`${client} kubectl: the last endpoint serves until it has ended`, async () => {
    await kubectl('expose', 'pod', web, '--port=80', '--target-port=8080');
    const [, , clusterIp = ''] = await columns(web);
    await until(async () => await ask(clusterIp, 80), new RegExp(`^${web}$`));
    // It does not listen to what it is told, so that it has all its time.
    await kubectl('delete', 'pod', web, '--grace-period=4', '--wait=false');
    const slices = ['endpointslices', '-l', `kubernetes.io/service-name=${web}`];
    const conditions = '{.items[0].endpoints[0].conditions}';
    const seen = await until(
      async () => await kubectl('get', ...slices, '-o', `jsonpath=${conditions}`),
      /"terminating":true/,
    );
    assert.match(seen, /"serving":true/);
    assert.equal(await ask(clusterIp, 80), web);
    await until(async () => await ask(clusterIp, 80), /^ECONNREFUSED$/);
  });
}
