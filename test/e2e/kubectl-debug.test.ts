import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { hostname } from 'node:os';
import { after, before, test } from 'node:test';
import type { Pod } from '#api/core-v1/pod.ts';
import { pidOf, startPlatform, type Platform } from '#test/support/platform.ts';
import { toolsImage, TOOLS_ENV } from '#test/support/sample-image.ts';

let it: Platform;
let image: string;

before(async () => {
  it = await startPlatform();
  image = await toolsImage(it);
  const containers = ['main', 'beside'].map((name) => ({
    name,
    image,
    env: TOOLS_ENV,
    command: ['sleep', name === 'main' ? '411001' : '411002'],
  }));
  const pod = (name: string, spec: object = {}): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { terminationGracePeriodSeconds: 1, containers, ...spec },
  });
  const items = [pod('apart'), pod('shared', { shareProcessNamespace: true })];
  const list = { apiVersion: 'v1', kind: 'List', items };
  await it.ok(['apply', '-f', '-'], JSON.stringify(list));
  await it.ok(['wait', 'pod', '--all', '--for=condition=Ready', '--timeout=60s']);
});

after(async () => await it[Symbol.asyncDispose]());

function debug(...args: readonly string[]): string[] {
  const env = TOOLS_ENV.map(({ name, value }) => `--env=${name}=${value}`);
  return ['debug', `--image=${image}`, ...env, ...args];
}

async function podOf(name: string): Promise<Pod> {
  return JSON.parse(await it.ok(['get', 'pod', name, '-o', 'json'])) as Pod;
}

test('kubectl debug: a shell in a window sees its target’s processes, and is told of afterwards', async () => {
  const target = ['-it', 'apart', '-c', 'look', '--target=main', '--', 'sh'];
  const quoted = debug(...target).map((arg) => `'${arg}'`);
  const command = `stty rows 31 cols 91; ${it.kubectlProgram} ${quoted.join(' ')}; echo code $?`;
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    env: it.kubectlEnv,
    timeout: 60_000,
  });
  let output = '';
  let hasTyped = false;
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    if (hasTyped || !/[#$] |pressing enter/.test(output)) return;
    hasTyped = true;
    child.stdin.write('ps -eo args; echo "tty $((6*7))"; exit 5\n');
  });
  await once(child, 'close');
  assert.match(output, /sleep 411001/);
  assert.ok(!output.includes('411002'), output);
  assert.match(output, /tty 42\r\n/);
  const pod = await podOf('apart');
  assert.equal(pod.status?.phase, 'Running');
  assert.deepEqual(
    pod.status?.ephemeralContainerStatuses?.map(({ name, ready, restartCount, state }) => [
      name,
      ready,
      restartCount,
      state?.terminated?.exitCode,
    ]),
    [['look', false, 0, 5]],
  );
  assert.match(await it.ok(['logs', 'apart', '-c', 'look']), /tty 42/);
  const described = await it.ok(['describe', 'pod', 'apart']);
  assert.match(described, /Ephemeral Containers:\n +look:[\s\S]*Exit Code: +5/);
  assert.match(described, /Created container: look/);
});

test('kubectl debug: beside a pod that shares its processes there are all of them, and one that holds them', async () => {
  await it.ok(debug('shared', '-c', 'all', '--', 'ps', '-eo', 'pid,args'));
  const ended =
    '--for=jsonpath={.status.ephemeralContainerStatuses[0].state.terminated.exitCode}=0';
  await it.ok(['wait', 'pod/shared', ended, '--timeout=60s']);
  const seen = await it.ok(['logs', 'shared', '-c', 'all']);
  assert.match(seen, /^ +1 \/pause$/m);
  for (const program of ['sleep 411001', 'sleep 411002']) assert.ok(seen.includes(program), seen);
  // The containers of the pod see each other, too.
  const own = await it.ok(['exec', 'shared', '-c', 'beside', '--', 'ps', '-eo', 'args']);
  assert.ok(own.includes('sleep 411001'), own);
});

test('kubectl debug: without a target it is alone, outlives a killed platform, and goes with its pod', async () => {
  await it.ok(debug('apart', '-c', 'alone', '--', 'sh', '-c', 'ps -eo args; sleep 411003'));
  const running =
    '--for=jsonpath={.status.ephemeralContainerStatuses[?(@.name=="alone")].ready}=false';
  await it.ok(['wait', 'pod/apart', running, '--timeout=60s']);
  const following = it.kubectlInBackground(['logs', '-f', 'apart', '-c', 'alone']);
  await following.until(/sleep 411003|ps -eo/);
  following.kill();
  assert.ok(!(await it.ok(['logs', 'apart', '-c', 'alone'])).includes('411001'));
  const seen = await it.ok(['exec', 'apart', '-c', 'alone', '--', 'ps', '-eo', 'args']);
  assert.match(seen, /sleep 411003/);
  const before = await podOf('apart');
  process.kill(pidOf(it.home, 'control'), 'SIGKILL');
  // The supervisor starts it again.
  while ((await it.kubectl(['get', 'pod', 'apart'])).code !== 0);
  // It is known before the sandboxes are taken over; whoever asks then is told so.
  const exec = ['exec', 'apart', '-c', 'alone', '--', 'ps', '-eo', 'args'];
  while ((await it.kubectl(exec)).code !== 0);
  const { status } = await podOf('apart');
  assert.deepEqual(status?.ephemeralContainerStatuses, before.status?.ephemeralContainerStatuses);
  assert.match(await it.ok(exec), /sleep 411003/);
  await it.ok(['delete', 'pod', 'apart']);
  assert.match((await it.kubectl(['get', 'pod', 'apart'])).stderr, /not found/);
});

test('kubectl debug: a copy of a pod, and the machine itself', async () => {
  await it.ok([
    ...debug('shared', '--copy-to=copy', '-c', 'debugger', '--share-processes'),
    '--',
    'sleep',
    '411004',
  ]);
  await it.ok(['wait', 'pod/copy', '--for=condition=Ready', '--timeout=60s']);
  const seen = await it.ok(['exec', 'copy', '-c', 'debugger', '--', 'ps', '-eo', 'args']);
  for (const program of ['/pause', 'sleep 411001', 'sleep 411004'])
    assert.ok(seen.includes(program));
  const node = (await it.ok(['get', 'node', '-o', 'name'])).trim();
  const said = await it.ok(
    debug(node, '--', 'sh', '-c', 'ls /host/etc/hostname; cat /etc/hostname'),
  );
  const [, name = ''] = /Creating debugging pod (\S+) /.exec(said) ?? [];
  await it.ok(['wait', `pod/${name}`, '--for=jsonpath={.status.phase}=Succeeded', '--timeout=60s']);
  assert.equal(await it.ok(['logs', name]), `/host/etc/hostname\n${hostname()}\n`);
});

test('kubectl debug: a target that does not run is said, waited for, and seen once it does', async () => {
  const script = 'until [ -e /said/go ]; do [ -e /said/wait ] || exit 3; sleep 0.1; done';
  const volumeMounts = [{ name: 'said', mountPath: '/said' }];
  const container = (name: string, command: string): object => ({
    name,
    image,
    env: TOOLS_ENV,
    command: ['sh', '-c', command],
    volumeMounts,
  });
  const spec = {
    terminationGracePeriodSeconds: 1,
    volumes: [{ name: 'said', emptyDir: {} }],
    // It ends at once, and again and again, until it is told to stay.
    containers: [container('main', script), container('beside', 'exec sleep 411005')],
  };
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'ends' }, spec };
  await it.ok(['apply', '-f', '-'], JSON.stringify(pod));
  const backsOff =
    '--for=jsonpath={.status.containerStatuses[?(@.name=="main")].state.waiting.reason}=CrashLoopBackOff';
  await it.ok(['wait', 'pod/ends', backsOff, '--timeout=50s']);
  await it.ok(debug('ends', '-c', 'look', '--target=main', '--', 'ps', '-eo', 'args'));
  const state = '.status.ephemeralContainerStatuses[0].state';
  const reason = `--for=jsonpath={${state}.waiting.reason}=CreateContainerConfigError`;
  await it.ok(['wait', 'pod/ends', reason, '--timeout=50s']);
  const { status } = await podOf('ends');
  assert.equal(
    status?.ephemeralContainerStatuses?.[0]?.state?.waiting?.message,
    'unable to find target container "main": it does not run',
  );
  assert.equal(status?.phase, 'Running');
  await it.ok(['exec', 'ends', '-c', 'beside', '--', 'sh', '-c', 'echo > /said/wait']);
  await it.ok([
    'wait',
    'pod/ends',
    `--for=jsonpath={${state}.terminated.exitCode}=0`,
    '--timeout=50s',
  ]);
  const seen = await it.ok(['logs', 'ends', '-c', 'look']);
  assert.match(seen, /said\/go/);
  assert.ok(!seen.includes('411005'), seen);
  await it.ok(['delete', 'pod', 'ends', '--wait=false']);
});
