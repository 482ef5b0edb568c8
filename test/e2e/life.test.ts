import assert from 'node:assert/strict';
import { machineTraces } from '#test/support/machine-traces.ts';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { kubectlClients } from '#test/support/kubectl-client.ts';
import { call, pidOf, run, startPlatform, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

/** Container ids and restart counts of the Service's pods: what a restart would change. */
async function containers(it: Platform): Promise<string> {
  const each = '{.containerID} {.restartCount}{"\\n"}';
  return await it.ok([
    'get',
    'pods',
    '-o',
    `jsonpath={range .items[*].status.containerStatuses[*]}${each}{end}`,
  ]);
}

async function deployWarm(it: Platform): Promise<string> {
  const image = await sampleImage(it);
  const deployed = await it.knode(
    'deploy',
    'hello',
    '--image',
    image,
    '--env',
    'TARGET=you',
    '--annotation',
    'autoscaling.knative.dev/min-scale=1',
  );
  assert.equal(deployed.code, 0, deployed.stderr);
  return deployed.stdout.trim();
}

test('commands: deploy, list, curl, logs, kubeconfig --merge, status, delete', async () => {
  await using it = await startPlatform();
  const url = await deployWarm(it);
  assert.match(url, /^http:\/\/hello\.default\.localhost:\d+$/);
  assert.match((await it.knode('list')).stdout, /^hello +http:\S+ +hello-00001 +True/m);
  const curl = await it.knode('curl', 'hello', '/', '-i');
  assert.match(curl.stdout, /^HTTP\/1\.1 200 OK$/m);
  assert.match(curl.stdout, /^Hello you!$/m);
  assert.match((await it.knode('logs', 'hello')).stdout, /^listening on 8080$/m);
  const status = JSON.parse((await it.knode('status', '-o', 'json')).stdout) as {
    parts: { name: string; state: string }[];
    services: number;
    servicesReady: number;
    prepared: { capacity: number; ready: number };
    machine: { name: string; available: number; total: number }[];
  };
  assert.deepEqual(
    status.parts.map(({ name, state }) => `${name} ${state}`),
    ['supervisor ready', 'control ready', 'gateway ready'],
  );
  assert.deepEqual([status.services, status.servicesReady], [1, 1]);
  assert.equal(
    status.machine.map(({ name }) => name).join(', '),
    'memory, disk, inodes, processes, files of supervisor, files of control, files of gateway',
  );
  assert.ok(status.prepared.capacity > 0 && status.prepared.ready <= status.prepared.capacity);
  assert.match((await it.knode('status')).stdout, /^ {2}prepared {4}\d of \d+ sandboxes ready, /m);
  assert.ok(status.machine.every(({ available, total }) => available >= 0 && available <= total));
  assert.match((await it.knode('status')).stdout, /^ {2}machine {5}memory .+ GiB free; disk /m);
  const pressures = await it.ok([
    'get',
    'nodes',
    '-o',
    'jsonpath={range .items[0].status.conditions[*]}{.type}={.status} {end}',
  ]);
  assert.equal(
    pressures.trim(),
    'MemoryPressure=False DiskPressure=False PIDPressure=False Ready=True',
  );

  assert.equal(statSync(path.join(it.home, 'kubeconfig')).mode & 0o777, 0o600);
  const other = path.join(it.home, 'run', 'other-kubeconfig');
  writeFileSync(other, 'apiVersion: v1\nkind: Config\ncontexts: []\n# mine\n');
  const env = { ...it.env, KUBECONFIG: other };
  assert.equal((await run(['./knode', 'kubeconfig', '--merge'], { env })).code, 0);
  assert.match(readFileSync(other, 'utf8'), /# mine/);
  assert.match(readFileSync(other, 'utf8'), /current-context: knode/);

  assert.match((await it.knode('delete', 'hello')).stdout, /Service 'hello' deleted/);
  assert.match((await it.knode('delete', 'hello')).stderr, /Cannot find Service hello/);
});

test('a killed supervisor: the parts and pods go on, and the next up adopts them', async () => {
  await using it = await startPlatform();
  const url = await deployWarm(it);
  const before = await containers(it);
  const parts = [pidOf(it.home, 'control'), pidOf(it.home, 'gateway')];
  process.kill(await supervisorPid(it), 'SIGKILL');
  assert.equal((await call(url)).status, 200);
  const again = await it.knode('up', '-d');
  assert.equal(again.code, 0, again.stderr);
  assert.deepEqual([pidOf(it.home, 'control'), pidOf(it.home, 'gateway')], parts);
  assert.equal(await containers(it), before);
  assert.equal((await call(url)).status, 200);
});

test('a killed supervisor and control: the gateway serves on, and is adopted before control is back', async () => {
  await using it = await startPlatform();
  const url = await deployWarm(it);
  const gateway = pidOf(it.home, 'gateway');
  process.kill(await supervisorPid(it), 'SIGKILL');
  process.kill(pidOf(it.home, 'control'), 'SIGKILL');
  assert.equal((await call(url)).status, 200);
  const again = await it.knode('up', '-d');
  assert.equal(again.code, 0, again.stderr);
  assert.equal(pidOf(it.home, 'gateway'), gateway);
  assert.equal((await call(url)).status, 200);
});

test('everything killed: containers go on, and the next up adopts them', async () => {
  await using it = await startPlatform();
  const url = await deployWarm(it);
  const before = await containers(it);
  process.kill(await supervisorPid(it), 'SIGKILL');
  process.kill(pidOf(it.home, 'control'), 'SIGKILL');
  process.kill(pidOf(it.home, 'gateway'), 'SIGKILL');
  const again = await it.knode('up', '-d', '--http-port', new URL(url).port, ...it.ports.slice(2));
  assert.equal(again.code, 0, again.stderr);
  assert.equal(await containers(it), before);
  assert.equal((await call(url)).status, 200);
  // Whatever people use to look at it finds it as it was.
  const [pod = ''] = (await it.ok(['get', 'pods', '-o', 'name'])).split('\n');
  for (const client of kubectlClients(() => it)) {
    assert.match(await client.ok(['get', pod, '--no-headers']), / 1\/1 +Running +0 /);
    assert.match(await client.ok(['logs', pod]), /^listening on 8080$/m);
    const inside = ['exec', pod.replace('pod/', ''), '--', 'node', '-p', '6*7'];
    await client.until(async () => await client.ok(inside), /^42$/m);
  }
});

test('after everything was killed, down leaves no pod behind', async () => {
  await using it = await startPlatform();
  await deployWarm(it);
  const container = /runc:\/\/(\S+)/.exec(await containers(it))?.[1] ?? '';
  const isAlive = async (): Promise<boolean> =>
    (await machineTraces()).processes.some((command) => command.includes(container));
  assert.notEqual(container, '');
  process.kill(await supervisorPid(it), 'SIGKILL');
  process.kill(pidOf(it.home, 'control'), 'SIGKILL');
  process.kill(pidOf(it.home, 'gateway'), 'SIGKILL');
  assert.equal(await isAlive(), true);
  const down = await it.knode('down');
  assert.equal(down.code, 0, down.stderr);
  assert.equal(await isAlive(), false);
});

test('a damaged store is refused with what is missing, and goes on only when told', async () => {
  await using it = await startPlatform();
  const manifest = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'kept' } };
  await it.ok(['apply', '-f', '-'], JSON.stringify(manifest));
  await it.knode('down');
  flipOneBit(path.join(it.home, 'store'));
  const refused = await it.knode('up', '-d', ...it.ports);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /Cannot open the store in .+: .+knode up --accept-loss/);
  const accepted = await it.knode('up', '-d', '--accept-loss', ...it.ports);
  assert.equal(accepted.code, 0, accepted.stderr);
  await it.ok(['get', 'namespace', 'default']);
});

async function supervisorPid(it: Platform): Promise<number> {
  const { parts } = JSON.parse((await it.knode('status', '-o', 'json')).stdout) as {
    parts: { name: string; pid: number }[];
  };
  return parts.find(({ name }) => name === 'supervisor')?.pid ?? 0;
}

/** In the middle of the value of some row, as a failing disk does. */
function flipOneBit(folder: string): void {
  const file = readdirSync(folder).find((name) => name.endsWith('.db')) ?? '';
  const database = path.join(folder, file);
  const bytes = readFileSync(database);
  const at = bytes.lastIndexOf('system:public-info-viewer');
  assert.ok(at > 0, 'the value to damage was not found');
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
  writeFileSync(database, bytes);
}
