import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { on, once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { oldKubectl } from '#test/support/clients-cache.ts';
import { pidOf, startPlatform, type Platform } from '#test/support/platform.ts';
import { processesWith } from '#test/support/processes-with.ts';
import { toolsImage, TOOLS_ENV } from '#test/support/sample-image.ts';

/** How clients reach pods: each is a kubectl with a way of its own. */
interface Way {
  readonly name: string;
  readonly kubectl: string | undefined;
  readonly env: NodeJS.ProcessEnv;
  /** What a client says of the connections that it has with `-v=9`: of commands, and of ports. */
  readonly speaks: readonly [commands: RegExp, ports: RegExp];
}

const overSpdy = {
  KUBECTL_REMOTE_COMMAND_WEBSOCKETS: 'false',
  KUBECTL_PORT_FORWARD_WEBSOCKETS: 'false',
};
const SPDY = /Upgrade: SPDY\/3\.1\n/;
const ways: readonly Way[] = [
  {
    name: 'WebSockets',
    kubectl: undefined,
    env: {},
    speaks: [
      /Sec-Websocket-Protocol: v5\.channel\.k8s\.io\n/i,
      /Sec-Websocket-Protocol: SPDY\/3\.1\+portforward\.k8s\.io\n/i,
    ],
  },
  { name: 'SPDY', kubectl: undefined, env: overSpdy, speaks: [SPDY, SPDY] },
  { name: 'an old kubectl', kubectl: oldKubectl(), env: {}, speaks: [SPDY, SPDY] },
];

let platform: Platform;
const BLOB = randomBytes(10 * 1024 * 1024);

before(async () => {
  platform = await startPlatform();
  const image = await toolsImage(platform);
  const server =
    `require('net').createServer({ allowHalfOpen: true }, (s) => s.pipe(s)).listen(7000, '127.0.0.1');` +
    // One that does not end its half of a connection.
    `require('net').createServer({ allowHalfOpen: true }, (s) => s.write('x')).listen(7001, '127.0.0.1');` +
    `require('http').createServer((q, s) => s.end('hello')).listen(8080)`;
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'tools' },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image, env: TOOLS_ENV, command: ['node', '-e', server] }],
    },
  };
  await platform.ok(['apply', '-f', '-'], JSON.stringify(pod));
  await platform.ok(['wait', 'pod/tools', '--for=condition=Ready', '--timeout=60s']);
});

after(async () => await platform[Symbol.asyncDispose]());

interface Ended {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

function start(way: Way, args: readonly string[]) {
  const program = way.kubectl ?? platform.kubectlProgram;
  return spawn(program, args, { env: { ...platform.kubectlEnv, ...way.env }, timeout: 60_000 });
}

async function kubectl(way: Way, args: readonly string[], input?: Buffer): Promise<Ended> {
  const child = start(way, args);
  child.stdin.on('error', () => undefined); // It may end without reading.
  child.stdin.end(input);
  const [stdout, stderr, [code]] = await Promise.all([
    buffer(child.stdout),
    buffer(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr: stderr.toString() };
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Resolves once what the stream has brought matches. */
async function matched(stream: Readable, wanted: RegExp): Promise<void> {
  let all = '';
  for await (const [chunk] of on(stream, 'data') as AsyncIterable<[Buffer]>) {
    all += chunk.toString();
    if (wanted.test(all)) return;
  }
}

/** The ports of this machine that a `port-forward` says it has opened, once it has said so many. */
async function forwardedPorts(stdout: Readable, count: number): Promise<number[]> {
  let all = '';
  for await (const [chunk] of on(stdout, 'data') as AsyncIterable<[Buffer]>) {
    all += chunk.toString();
    const found = [...all.matchAll(/127\.0\.0\.1:(\d+) -> (\d+)/g)];
    if (found.length === count) return found.map(([, local]) => Number(local));
  }
  return [];
}

async function noneWith(text: string): Promise<void> {
  const deadline = AbortSignal.timeout(15_000);
  while (processesWith(text).length > 0) {
    assert.ok(!deadline.aborted, `still there: ${processesWith(text).join(', ')}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

for (const way of ways) {
  test(`${way.name}: exec carries both outputs and the exit code`, async () => {
    const script = 'echo out; echo err >&2; exit 7';
    const ended = await kubectl(way, ['exec', 'tools', '--', 'sh', '-c', script]);
    assert.equal(ended.code, 7, ended.stderr);
    assert.equal(ended.stdout.toString(), 'out\n');
    assert.match(ended.stderr, /^err$/m);
    const loud = await kubectl(way, ['-v=9', 'exec', 'tools', '--', 'sh', '-c', script]);
    assert.match(loud.stderr, way.speaks[0]);
    const absent = await kubectl(way, ['exec', 'tools', '--', 'absent']);
    assert.equal(absent.code, 126);
    assert.match(absent.stderr, /"absent": executable file not found/);
  });

  test(`${way.name}: 10 MB come back from exec as they were sent`, async () => {
    const { stdout } = await kubectl(way, ['exec', '-i', 'tools', '--', 'cat'], BLOB);
    assert.equal(sha256(stdout), sha256(BLOB));
  });

  test(`${way.name}: a program may end before its input does`, async () => {
    const args = ['exec', '-i', 'tools', '--', 'sh', '-c', 'head -c 3; exec <&-; echo; exit 9'];
    const { code, stdout } = await kubectl(way, args, BLOB);
    assert.equal(code, 9);
    assert.deepEqual(stdout, Buffer.concat([BLOB.subarray(0, 3), Buffer.from('\n')]));
  });

  test(`${way.name}: a program may open its streams anew, and end its output alone`, async () => {
    const script = 'echo one >/dev/stdout; echo two >/dev/stderr; exec >&-; cat >/dev/stderr';
    const args = ['exec', '-i', 'tools', '--', 'sh', '-c', script];
    const { code, stdout, stderr } = await kubectl(way, args, Buffer.from('three'));
    assert.equal(code, 0, stderr);
    assert.equal(stdout.toString(), 'one\n');
    assert.match(stderr, /two\nthree/);
  });

  test(`${way.name}: cp there and back`, async () => {
    const [from, to] = ['from', 'to'].map((name) => path.join(platform.home, name));
    assert.ok(from && to);
    writeFileSync(from, BLOB);
    const there = await kubectl(way, ['cp', from, 'tools:/tmp/blob']);
    assert.equal(there.code, 0, there.stderr);
    const back = await kubectl(way, ['cp', 'tools:/tmp/blob', to]);
    assert.equal(back.code, 0, back.stderr);
    assert.equal(sha256(readFileSync(to)), sha256(BLOB));
  });

  test(`${way.name}: a terminal has the window's size, follows it, and carries the exit code`, async () => {
    // script(1) gives kubectl a terminal; the shell inside says what it sees.
    // The size comes a moment after the program has begun, as with Kubernetes.
    const sees = (size: string): string =>
      `until [ "$(stty size)" = "${size}" ]; do sleep 0.1; done; stty size </dev/tty`;
    const inside = `${sees('33 99')}; ${sees('44 120')}; exit 3`;
    const program = way.kubectl ?? platform.kubectlProgram;
    const resized = path.join(platform.home, `resized-${ways.indexOf(way)}`);
    const later = `until [ -e ${resized} ]; do sleep 0.1; done; stty rows 44 cols 120 </dev/tty`;
    const command = `stty rows 33 cols 99; (${later}) & ${program} exec -it tools -- sh -c ${JSON.stringify(inside).replaceAll('$', '\\$')}`;
    const child = spawn('script', ['-qec', command, '/dev/null'], {
      env: { ...platform.kubectlEnv, ...way.env },
      timeout: 60_000,
    });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      if (output.includes('33 99')) writeFileSync(resized, '');
    });
    const [code] = (await once(child, 'close')) as [number];
    assert.equal(code, 3, output);
    assert.match(output, /^33 99\r\n44 120\r\n/);
  });

  test(`${way.name}: a client that is killed leaves nothing behind`, async () => {
    const seconds = String(400_000 + ways.indexOf(way));
    const nested = `sh -c 'sleep ${seconds}; true' & echo begun; wait`;
    const child = start(way, ['exec', '-i', 'tools', '--', 'sh', '-c', nested]);
    await once(child.stdout, 'data');
    assert.notDeepEqual(processesWith(`sleep ${seconds}`), []);
    child.kill('SIGKILL');
    await noneWith(`sleep ${seconds}`);
    await noneWith(`--pid-file ${path.join('/run', 'knode-')}`);
  });

  test(`${way.name}: ports are forwarded, several at once, also of localhost only`, async () => {
    const child = start(way, ['-v=9', 'port-forward', 'pod/tools', ':7000', ':8080']);
    const [[echo = 0, http = 0]] = await Promise.all([
      forwardedPorts(child.stdout, 2),
      matched(child.stderr, way.speaks[1]),
    ]);
    const trips = [1, 2, 3, 4].map(async () => {
      const socket = connect({ port: echo, host: '127.0.0.1', allowHalfOpen: true });
      socket.end(BLOB);
      return sha256(await buffer(socket));
    });
    const answer = fetch(`http://127.0.0.1:${http}/`).then((reply) => reply.text());
    assert.deepEqual(await Promise.all(trips), Array(4).fill(sha256(BLOB)));
    assert.equal(await answer, 'hello');
    const open = connect({ port: echo, host: '127.0.0.1' });
    open.on('error', () => undefined); // It is cut off below.
    open.write('x');
    await once(open, 'data');
    child.kill('SIGKILL');
    await noneWith('TCP4:127.0.0.1:7000');
  });
}

/** What a person types, in a terminal that script(1) gives to kubectl, once `after` has been seen. */
async function typed(
  way: Way,
  args: readonly string[],
  { text, after: seen }: Typed,
): Promise<string> {
  const program = way.kubectl ?? platform.kubectlProgram;
  const quoted = args.map((arg) => `'${arg}'`).join(' ');
  const command = `stty rows 31 cols 91; ${program} ${quoted}; echo code $?`;
  const child = spawn('script', ['-qec', command, '/dev/null'], {
    env: { ...platform.kubectlEnv, ...way.env },
    timeout: 60_000,
  });
  let output = '';
  let hasTyped = false;
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk.toString();
    if (hasTyped || !seen.test(output)) return;
    hasTyped = true;
    child.stdin.write(text);
  });
  await once(child, 'close');
  return output;
}

interface Typed {
  readonly text: string;
  readonly after: RegExp;
}

async function toolsReference(): Promise<string> {
  const images = await platform.ok([
    'get',
    'pod',
    'tools',
    '-o',
    'jsonpath={..containers[0].image}',
  ]);
  return images.split(' ')[0] ?? '';
}

function runArgs(name: string, image: string): string[] {
  const env = TOOLS_ENV.map(({ name: key, value }) => `--env=${key}=${value}`);
  return ['run', name, `--image=${image}`, '--restart=Never', '--rm', ...env];
}

for (const [at, way] of ways.entries()) {
  test(`${way.name}: run -i sends its input to a new pod and brings back all output`, async () => {
    const args = [...runArgs(`in${at}`, await toolsReference()), '-i', '--command', '--'];
    const script = 'echo hello; sha256sum';
    const ended = await kubectl(way, [...args, 'sh', '-c', script], BLOB);
    assert.equal(ended.code, 0, ended.stderr);
    assert.match(ended.stdout.toString(), new RegExp(`^hello\n${sha256(BLOB)} `));
  });

  test(`${way.name}: run -it is a shell in a window, and its exit code`, async () => {
    const args = [...runArgs(`tty${at}`, await toolsReference()), '-it', '--command', '--', 'sh'];
    // kubectl sends a size that is off by one first, so that programs draw anew at the second.
    const text =
      'until [ "$(stty size)" = "31 91" ]; do sleep 0.1; done; echo "$TERM $((6*7))"; exit 4\n';
    // A shell that was quicker than kubectl has said its prompt already; kubectl tells the person so.
    const output = await typed(way, args, { text, after: /[#$] |pressing enter/ });
    assert.match(output, /\r\nxterm 42\r\n/);
    assert.match(output, /code 4\r\n$/);
  });

  test(`${way.name}: attach comes and goes, the program stays`, async () => {
    const name = `loop${at}`;
    const container = {
      name: 'main',
      image: await toolsReference(),
      env: TOOLS_ENV,
      stdin: true,
      command: ['sh', '-c', 'while read line; do echo "got $line"; echo "err $line" >&2; done'],
    };
    const spec = { terminationGracePeriodSeconds: 1, containers: [container] };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec };
    await platform.ok(['apply', '-f', '-'], JSON.stringify(pod));
    await platform.ok(['wait', `pod/${name}`, '--for=condition=Ready', '--timeout=60s']);
    for (const word of ['one', 'two']) {
      const child = start(way, ['attach', '-i', name]);
      child.stdin.on('error', () => undefined); // It is killed below.
      child.stdin.write(`${word}\n`);
      await Promise.all([
        matched(child.stdout, new RegExp(`got ${word}\n`)),
        matched(child.stderr, new RegExp(`err ${word}\n`)),
      ]);
      child.kill('SIGKILL');
      await noneWith(`UNIX-CONNECT`);
    }
    await platform.ok(['delete', 'pod', name, '--now']);
  });
}

test('logs: every word of it', async () => {
  const image = await toolsReference();
  const shell = (name: string, script: string) => ({
    name,
    image,
    env: TOOLS_ENV,
    command: ['sh', '-c', script],
  });
  const spec = {
    terminationGracePeriodSeconds: 1,
    initContainers: [shell('first', 'echo prepared')],
    containers: [
      shell('a', 'for i in 1 2 3 4 5; do echo a$i; done; sleep 100000'),
      // Ends once, then stays.
      shell('b', 'if [ -e /d/x ]; then echo again; sleep 100000; fi; echo once; : >/d/x; exit 3'),
    ].map((each) => ({ ...each, volumeMounts: [{ name: 'd', mountPath: '/d' }] })),
    volumes: [{ name: 'd', emptyDir: {} }],
  };
  const pod = {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'words', labels: { of: 'words' } },
    spec,
  };
  await platform.ok(['apply', '-f', '-'], JSON.stringify(pod));
  const restarted = '--for=jsonpath={.status.containerStatuses[1].restartCount}=1';
  await platform.ok(['wait', 'pod/words', restarted, '--timeout=60s']);
  await platform.ok(['wait', 'pod/words', '--for=condition=Ready', '--timeout=60s']);
  for (const way of ways) {
    const logs = async (...args: string[]): Promise<string> => {
      const ended = await kubectl(way, ['logs', ...args]);
      assert.equal(ended.code, 0, ended.stderr);
      return ended.stdout.toString();
    };
    assert.equal(await logs('words', '-c', 'a', '--tail=2'), 'a4\na5\n');
    assert.equal(await logs('words', '-c', 'a', '--limit-bytes=4'), 'a1\na');
    assert.equal(await logs('words', '-c', 'first'), 'prepared\n');
    assert.equal(await logs('words', '-c', 'b'), 'again\n');
    assert.equal(await logs('words', '-c', 'b', '--previous'), 'once\n');
    const all = await logs('words', '--all-containers', '--prefix');
    assert.match(all, /^\[pod\/words\/first\] prepared$/m);
    assert.match(all, /^\[pod\/words\/a\] a5$/m);
    assert.match(all, /^\[pod\/words\/b\] again$/m);
    assert.match(await logs('-l', 'of=words', '-c', 'a', '--tail=1'), /^a5\n$/);
    const timed = await logs('words', '-c', 'a', '--timestamps');
    const times = timed.split('\n').map((line) => line.split(' ')[0] ?? '');
    const [, second = ''] = times;
    assert.match(second, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}\+00:00$/);
    const since = (await logs('words', '-c', 'a', `--since-time=${second}`)).split('\n');
    assert.ok(since.length >= times.length - 1, since.join());
    assert.equal(await logs('words', '-c', 'a', '--since=1h'), 'a1\na2\na3\na4\na5\n');
    assert.equal(await logs('words', '-c', 'a', '--since-time=2999-01-01T00:00:00Z'), '');
    const absent = await kubectl(way, ['logs', 'words', '-c', 'a', '--previous']);
    assert.match(absent.stderr, /previous terminated container "a" in pod "words" not found/);
  }
  await platform.ok(['delete', 'pod', 'words', '--now']);
});

test('logs: a program that writes much keeps its newest lines, none missing between', async () => {
  // 9 MB at each request, 72 MB in all, a file for each: more than are kept.
  const script =
    `let n = 0; require('http').createServer((q, s) => { let text = ''; ` +
    `for (let i = 0; i < 45000; i++) text += String(++n).padEnd(199, '.') + '\\n'; ` +
    `process.stdout.write(text, () => s.end()); }).listen(8080)`;
  const container = {
    name: 'main',
    image: await toolsReference(),
    env: TOOLS_ENV,
    command: ['node', '-e', script],
    readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
  };
  const spec = { terminationGracePeriodSeconds: 1, containers: [container] };
  const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name: 'chatty' }, spec };
  await platform.ok(['apply', '-f', '-'], JSON.stringify(pod));
  await platform.ok(['wait', 'pod/chatty', '--for=condition=Ready', '--timeout=60s']);
  const address = await platform.ok(['get', 'pod', 'chatty', '-o', 'jsonpath={.status.podIP}']);
  const more = async (): Promise<void> => void (await fetch(`http://${address}:8080/`)).status;
  await more();
  // Whoever follows more than four files behind would miss some: the next comes when all have this one.
  let upTo = 45_000;
  let waiting = ways.length;
  let next = Promise.withResolvers<void>();
  const arrived = async (): Promise<void> => {
    const { promise } = next;
    waiting -= 1;
    if (waiting > 0) return await promise;
    if (upTo < 360_000) await more();
    upTo += 45_000;
    waiting = ways.length;
    next.resolve();
    next = Promise.withResolvers<void>();
  };
  const followAll = async (way: Way): Promise<void> => {
    const follower = start(way, ['logs', '-f', 'chatty']);
    let rest = '';
    let last = 0;
    for await (const chunk of follower.stdout as AsyncIterable<Buffer>) {
      const lines = `${rest}${chunk.toString()}`.split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        assert.equal(parseInt(line, 10), last + 1, way.name);
        last += 1;
      }
      if (last === upTo) await arrived();
      if (last === 360_000) break;
    }
    follower.kill('SIGKILL');
  };
  await Promise.all(ways.map(followAll));
  for (const way of ways) {
    const { stdout } = await kubectl(way, ['logs', 'chatty']);
    // The oldest file may begin in the middle of a line.
    const lines = stdout.toString().trim().split('\n').slice(1);
    const kept = lines.map((line) => parseInt(line, 10));
    assert.equal(kept.at(-1), 360_000, way.name);
    assert.equal(360_000 - (kept[0] ?? 0) + 1, kept.length, way.name);
    assert.ok(kept.length * 240 < 65 * 1024 * 1024, `${kept.length} lines are kept`);
    assert.ok(kept.length * 240 > 30 * 1024 * 1024, `${kept.length} lines are kept`);
  }
  await platform.ok(['delete', 'pod', 'chatty', '--now']);
});

test('logs: the last words of pods that are gone', async () => {
  const labels = { 'serving.knative.dev/service': 'gone' };
  const container = {
    name: 'main',
    image: await toolsReference(),
    env: TOOLS_ENV,
    command: [
      'sh',
      '-c',
      'trap "echo farewell; exit" TERM; echo hello; while :; do sleep 0.1; done',
    ],
  };
  const spec = { terminationGracePeriodSeconds: 5, containers: [container] };
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'gone', labels },
    spec: { selector: { matchLabels: labels }, template: { metadata: { labels }, spec } },
  };
  await platform.ok(['apply', '-f', '-'], JSON.stringify(deployment));
  await platform.ok(['rollout', 'status', 'deployment/gone', '--timeout=60s']);
  assert.equal((await platform.knode('logs', 'gone')).stdout, 'hello\n');
  await platform.ok(['scale', 'deployment/gone', '--replicas=0']);
  await platform.ok(['wait', 'pod', '-l', 'serving.knative.dev/service=gone', '--for=delete']);
  const last = await platform.knode('logs', 'gone');
  assert.equal(last.stdout, 'hello\nfarewell\n');
  assert.match(last.stderr, /Service gone has no pod now; these are the last words/);
  assert.equal((await platform.knode('logs', 'gone', '--tail', '1')).stdout, 'farewell\n');
  const owner = ['get', 'rs', '-l', 'serving.knative.dev/service=gone'];
  const replicaSet = (await platform.ok([...owner, '-o', 'name'])).trim().split('/')[1] ?? '';
  for (const way of ways) {
    const kept = `/apis/apps/v1/namespaces/default/replicasets/${replicaSet}/log`;
    const { stdout } = await kubectl(way, ['get', '--raw', kept]);
    assert.equal(stdout.toString(), 'hello\nfarewell\n', way.name);
    const end = await kubectl(way, ['get', '--raw', `${kept}?tailLines=1`]);
    assert.equal(end.stdout.toString(), 'farewell\n', way.name);
  }
  await platform.ok(['delete', 'deployment', 'gone']);
  assert.match((await platform.knode('logs', 'gone')).stderr, /has no pod now; --follow waits/);
});

test('exec: the container ends while somebody is in it', async () => {
  const image = await toolsReference();
  const main = { name: 'main', image, env: TOOLS_ENV, command: ['sleep', '100000'] };
  const isLeft = async (way: Way, at: number): Promise<void> => {
    const name = `brief${at}`;
    const spec = { terminationGracePeriodSeconds: 1, restartPolicy: 'Never', containers: [main] };
    const pod = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec };
    await platform.ok(['apply', '-f', '-'], JSON.stringify(pod));
    await platform.ok(['wait', `pod/${name}`, '--for=condition=Ready', '--timeout=50s']);
    const child = start(way, ['exec', '-i', name, '--', 'sh', '-c', 'echo begun; sleep 100000']);
    await once(child.stdout, 'data');
    const closed = once(child, 'close') as Promise<[number | null]>;
    await platform.ok(['delete', 'pod', name, '--wait=false']);
    assert.equal((await closed)[0], 137, way.name);
  };
  await Promise.all(ways.map(isLeft));
});

/** A pod of three: one that runs beside another, one that waits for its image, and all of another that have ended. */
async function podsToAsk(): Promise<void> {
  const image = await toolsReference();
  const shell = (name: string, script: string, rest: object = {}): object => ({
    name,
    image,
    env: [...TOOLS_ENV, { name: 'ME', value: name }],
    command: ['sh', '-c', script],
    ...rest,
  });
  const pod = (name: string, spec: object): object => ({
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name },
    spec: { terminationGracePeriodSeconds: 1, ...spec },
  });
  const absent = { image: image.replace(/[^/]+$/, 'nobody:1') };
  const ended = { restartPolicy: 'Never', containers: [shell('main', 'echo over')] };
  const [one, beside] = ['one', 'beside'].map((name) => shell(name, 'exec sleep 100000'));
  const containers = [one, beside, shell('waits', '', absent)];
  const items = [pod('several', { containers }), pod('over', ended)];
  const list = { apiVersion: 'v1', kind: 'List', items };
  await platform.ok(['apply', '-f', '-'], JSON.stringify(list));
  await platform.ok(['wait', 'pod/over', '--for=jsonpath={.status.phase}=Succeeded']);
  const runs = (container: string): string =>
    `--for=jsonpath={.status.containerStatuses[?(@.name=="${container}")].started}=true`;
  for (const container of ['one', 'beside'])
    await platform.ok(['wait', 'pod/several', runs(container), '--timeout=60s']);
}

test('exec, attach, port-forward: the container that is meant, and what cannot be in a sentence', async () => {
  await podsToAsk();
  const says = async (way: Way, ...args: readonly string[]): Promise<string> => {
    const { code, stdout, stderr } = await kubectl(way, args);
    return `${code} ${stdout.toString()}${stderr}`.replaceAll('\n', ' ');
  };
  const me = ['--', 'sh', '-c', 'echo "$ME"'];
  for (const way of ways) {
    const rows: readonly (readonly [args: readonly string[], answer: RegExp])[] = [
      [['exec', 'several', ...me], /^0 one /],
      [['exec', 'several', '-c', 'beside', ...me], /^0 beside /],
      [['exec', 'several', '-c', 'beside', '--', 'sh', '-c', 'kill -9 $$'], /^137 .*exit code 137/],
      [['exec', '-i', 'several', '-c', 'one', '--', 'cat'], /^0 $/],
      [['exec', 'nobody', ...me], /^1 .*pods "nobody" not found/],
      [
        ['exec', 'several', '-c', 'other', ...me],
        /^1 .*(container other is not valid for pod several|container not found \("other"\))/,
      ],
      [
        ['exec', 'several', '-c', 'waits', ...me],
        /^1 .*(unable to upgrade connection: )?container not found \("waits"\)/,
      ],
      [['attach', 'several', '-c', 'waits'], /^1 .*container not found \("waits"\)/],
      [
        ['exec', 'over', ...me],
        /^1 .*cannot exec into a container in a completed pod; current phase is Succeeded/,
      ],
      [
        ['attach', 'over'],
        /^1 .*cannot attach (to )?a container in a completed pod; current phase is Succeeded/,
      ],
      [['port-forward', 'pod/over', ':80'], /^1 .*(pod is not running|completed pod)/],
      [['logs', 'several', '-c', 'waits'], /^1 .*container "waits" in pod "several" is waiting/],
      [['logs', 'over'], /^0 over $/],
    ];
    const answers = await Promise.all(rows.map(([args]) => says(way, ...args)));
    for (const [at, [args, answer]] of rows.entries())
      assert.match(answers[at] ?? '', answer, `${way.name}: ${args.join(' ')}`);
  }
  await platform.ok(['delete', 'pod', 'several', 'over', '--now']);
});

// The last one: it leaves the platform in the middle of a start.
test('exec, port-forward: what a killed control ran for them ends', async () => {
  const [way] = ways;
  assert.ok(way);
  const script = 'echo begun; sleep 400444; true';
  const child = start(way, ['exec', '-i', 'tools', '--', 'sh', '-c', script]);
  await once(child.stdout, 'data');
  const forwarding = start(way, ['port-forward', 'pod/tools', ':7001']);
  const [port = 0] = await forwardedPorts(forwarding.stdout, 1);
  const open = connect({ port, host: '127.0.0.1' });
  open.on('error', () => undefined); // It is cut off below.
  await once(open, 'data');
  process.kill(pidOf(platform.home, 'control'), 'SIGKILL');
  // Connections at once, by the kernel; commands when the next one looks.
  await noneWith('TCP4:127.0.0.1:7001');
  await noneWith('sleep 400444');
  open.destroy();
  forwarding.kill();
});
