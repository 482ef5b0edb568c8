import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { pidOf, startPlatform, type Platform } from '#test/support/platform.ts';
import { processesWith } from '#test/support/processes-with.ts';
import { toolsImage, TOOLS_ENV } from '#test/support/sample-image.ts';

let platform: Platform;
let image: string;

before(async () => {
  platform = await startPlatform();
  image = await toolsImage(platform);
});

after(async () => await platform[Symbol.asyncDispose]());

/** Makes a pod that runs `command`, and waits until `condition`. */
async function pod(
  name: string,
  command: readonly string[],
  { condition = 'jsonpath={.status.phase}=Running', graceSeconds = 1 } = {},
): Promise<void> {
  const spec = {
    terminationGracePeriodSeconds: graceSeconds,
    restartPolicy: 'Never',
    containers: [{ name: 'main', image, env: TOOLS_ENV, command }],
  };
  const object = { apiVersion: 'v1', kind: 'Pod', metadata: { name }, spec };
  await platform.ok(['apply', '-f', '-'], JSON.stringify(object));
  await platform.ok(['wait', `pod/${name}`, `--for=${condition}`, '--timeout=120s']);
}

const node = (script: string): string[] => ['node', '-e', script];
const ENDED = { condition: 'jsonpath={.status.phase}=Succeeded' };

async function logFolder(name: string): Promise<string> {
  const uid = await platform.ok(['get', 'pod', name, '-o', 'jsonpath={.metadata.uid}']);
  return path.join(platform.home, 'agent', 'pods', uid, 'containers', 'main', '0');
}

function memoryMiB(): number {
  const status = readFileSync(`/proc/${pidOf(platform.home, 'control')}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024;
}

test('rude programs: a gigabyte of log', { timeout: 180_000 }, async () => {
  // A million lines of 1,000 bytes, as fast as they are taken.
  const script =
    `let n = 0; const more = () => { for (;;) { let text = ''; ` +
    `for (let i = 0; i < 1000; i++) text += String(++n).padEnd(999, '.') + '\\n'; ` +
    `const isTaken = process.stdout.write(text); if (n === 1_000_000) return; ` +
    `if (!isTaken) return void process.stdout.once('drain', more); } }; more()`;
  const beforeMiB = memoryMiB();
  await pod('writer', node(script), ENDED);
  const folder = await logFolder('writer');
  const files = readdirSync(folder).filter((file) => /^log(\.\d+)?$/.test(file));
  const sizes = files.map((file) => statSync(path.join(folder, file)).size);
  const keptMiB = sizes.reduce((sum, size) => sum + size, 0) / 2 ** 20;
  assert.ok(files.length <= 5, files.join());
  // Files are changed every moment, not at a length: how much comes meanwhile is the machine's matter.
  assert.ok(keptMiB < 600, `${keptMiB} MiB are kept: ${sizes.join()}`);
  const last = await platform.ok(['logs', 'writer', '--tail=3']);
  const numbers = last
    .trim()
    .split('\n')
    .map((line) => parseInt(line, 10));
  assert.deepEqual(numbers, [999_998, 999_999, 1_000_000]);
  const many = await platform.ok(['logs', 'writer', '--tail=8000']);
  const kept = many
    .trim()
    .split('\n')
    .map((line) => parseInt(line, 10));
  assert.deepEqual([kept.length, kept[0]], [8_000, 992_001]);
  assert.ok(kept.every((line, at) => line === 992_001 + at));
  assert.ok(memoryMiB() < beforeMiB + 200, `${beforeMiB} MiB became ${memoryMiB()} MiB`);
  await platform.ok(['delete', 'pod', 'writer', '--now']);
});

test('rude programs: NULs and every other byte, without a line break at the end', async () => {
  const script =
    'process.stdout.write(Buffer.from(Array.from({ length: 65536 }, (_, at) => (at * 40503) >> 4)))';
  const expected = Buffer.from(Array.from({ length: 65_536 }, (_, at) => (at * 40_503) >> 4));
  assert.equal(new Set(expected).size, 256);
  await pod('bytes', node(script), ENDED);
  const { kubectlProgram, kubectlEnv } = platform;
  const said = execFileSync(kubectlProgram, ['logs', 'bytes'], { env: kubectlEnv });
  assert.equal(said.compare(expected), 0);
  await platform.ok(['delete', 'pod', 'bytes', '--now']);
});

test('rude programs: one that closes all it has goes on, and can be reached', async () => {
  const script = 'echo before; exec <&- >&- 2>&-; while :; do sleep 1; done';
  await pod('closed', ['sh', '-c', script], { condition: 'condition=Ready' });
  assert.equal(await platform.ok(['logs', 'closed']), 'before\n');
  const follower = platform.kubectlInBackground(['logs', '-f', 'closed']);
  await follower.until(/before/);
  assert.equal(await platform.ok(['exec', 'closed', '--', 'sh', '-c', 'echo here']), 'here\n');
  const phase = await platform.ok(['get', 'pod', 'closed', '-o', 'jsonpath={.status.phase}']);
  assert.equal(phase, 'Running');
  await platform.ok(['delete', 'pod', 'closed', '--now']);
  // It ends with its container: nothing is left to wait for.
  await assert.rejects(follower.until(/never said/), /it ended without/);
});

test('rude programs: who ignores SIGTERM has its grace, and no more', async () => {
  const command = node(
    `process.on('SIGTERM', () => console.log('no')); console.log('here'); setInterval(() => {}, 400311)`,
  );
  await pod('stubborn', command, { condition: 'condition=Ready', graceSeconds: 2 });
  const follower = platform.kubectlInBackground(['logs', '-f', 'stubborn']);
  await follower.until(/^here$/m);
  assert.equal(processesWith('400311').length, 1);
  const deleted = platform.ok(['delete', 'pod', 'stubborn', '--timeout=30s']);
  await follower.until(/^no$/m);
  await deleted;
  assert.deepEqual(processesWith('400311'), []);
});

test('rude programs: what leaves its parent twice ends with the container', async () => {
  const child = `require('child_process').spawn('sleep', ['400322'], { detached: true, stdio: 'ignore' }).unref()`;
  const twice = `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(child)}], { detached: true, stdio: 'ignore' }).unref()`;
  // One whose first process stays for a while, and one whose first process ends at once.
  await pod('daemon', node(`${twice}; setInterval(() => {}, 1e9)`), {
    condition: 'condition=Ready',
  });
  const found = [
    'exec',
    'daemon',
    '--',
    'sh',
    '-c',
    'until ps -e -o args | grep -q "^sleep 400322"; do sleep 0.1; done',
  ];
  await platform.ok(found);
  // The same by exec: it stays, too, until the container ends.
  await platform.ok(['exec', 'daemon', '--', ...node(twice.replaceAll('400322', '400333'))]);
  await platform.ok(found.map((word) => word.replaceAll('400322', '400333')));
  for (const daemon of ['sleep 400322', 'sleep 400333'])
    assert.equal(processesWith(daemon).length, 1);
  await platform.ok(['delete', 'pod', 'daemon', '--now']);
  for (const daemon of ['400322', '400333']) assert.deepEqual(processesWith(daemon), []);
  await pod('brief', node(twice), ENDED);
  assert.deepEqual(processesWith('400322'), []);
  await platform.ok(['delete', 'pod', 'brief', '--now']);
});
