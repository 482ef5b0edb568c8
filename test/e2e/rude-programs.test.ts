import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import {
  byAllKubectls,
  kubectlClients,
  scriptPod,
  type KubectlClient,
} from '#test/support/kubectl-client.ts';
import { pidOf, startPlatform, type Platform } from '#test/support/platform.ts';
import { processesWith } from '#test/support/processes-with.ts';
import { toolsImage } from '#test/support/sample-image.ts';

let platform: Platform;
let image: string;

before(async () => {
  platform = await startPlatform();
  image = await toolsImage(platform);
});

after(async () => await platform[Symbol.asyncDispose]());

const clients = kubectlClients(() => platform);
const [current, old] = clients;
const together = byAllKubectls('rude programs', () => platform);

/** Makes a pod that runs `command`, and waits until it runs. */
async function pod(
  client: KubectlClient,
  name: string,
  command: readonly string[],
  graceSeconds = 1,
): Promise<void> {
  const spec = { terminationGracePeriodSeconds: graceSeconds };
  await client.apply(scriptPod(image, name, { script: '', container: { command }, spec }));
  await client.podOnce(name, ({ phase = 'Pending' }) => phase !== 'Pending');
}

const node = (script: string): string[] => ['node', '-e', script];

async function ended(client: KubectlClient, name: string): Promise<void> {
  await client.podOnce(name, ({ phase }) => phase === 'Succeeded');
}

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
  await pod(current, 'writer', node(script));
  await current.ok([
    'wait',
    'pod/writer',
    '--for=jsonpath={.status.phase}=Succeeded',
    '--timeout=120s',
  ]);
  const folder = await logFolder('writer');
  const files = readdirSync(folder).filter((file) => /^log(\.\d+)?$/.test(file));
  const sizes = files.map((file) => statSync(path.join(folder, file)).size);
  const keptMiB = sizes.reduce((sum, size) => sum + size, 0) / 2 ** 20;
  assert.ok(files.length <= 5, files.join());
  // Files are changed every moment, not at a length: how much comes meanwhile is the machine's matter.
  assert.ok(keptMiB < 600, `${keptMiB} MiB are kept: ${sizes.join()}`);
  for (const client of clients) {
    const many = await client.ok(['logs', 'writer', '--tail=8000']);
    const kept = many
      .trim()
      .split('\n')
      .map((line) => parseInt(line, 10));
    assert.deepEqual([kept.length, kept[0]], [8_000, 992_001]);
    assert.ok(kept.every((line, at) => line === 992_001 + at));
  }
  assert.ok(memoryMiB() < beforeMiB + 200, `${beforeMiB} MiB became ${memoryMiB()} MiB`);
  await old.ok(['delete', 'pod', 'writer', '--now']);
});

together('NULs and every other byte, without a line break at the end', async (client) => {
  const name = client.own('bytes');
  const script =
    'process.stdout.write(Buffer.from(Array.from({ length: 65536 }, (_, at) => (at * 40503) >> 4)))';
  const expected = Buffer.from(Array.from({ length: 65_536 }, (_, at) => (at * 40_503) >> 4));
  assert.equal(new Set(expected).size, 256);
  await pod(client, name, node(script));
  await ended(client, name);
  assert.equal((await client.bytes(['logs', name])).compare(expected), 0);
  await client.ok(['delete', 'pod', name, '--now']);
});

together('one that closes all it has goes on, and can be reached', async (client) => {
  const name = client.own('closed');
  const script = 'echo before; exec <&- >&- 2>&-; while :; do sleep 1; done';
  await pod(client, name, ['sh', '-c', script]);
  await client.until(async () => await client.ok(['logs', name]), /^before\n$/);
  const following = client.ok(['logs', '-f', name]);
  assert.equal(await client.ok(['exec', name, '--', 'sh', '-c', 'echo here']), 'here\n');
  assert.match(await client.ok(['get', 'pod', name, '--no-headers']), / 1\/1 +Running +0 /);
  await client.ok(['delete', 'pod', name, '--now']);
  assert.equal(await following, 'before\n');
});

together('who ignores SIGTERM has its grace, and no more', async (client) => {
  const [name, mark] = [client.own('stubborn'), client.own('says-no')];
  const script = `process.on('SIGTERM', () => console.log('no')); console.log('here'); setInterval(() => {}, 1e6, '${mark}')`;
  await pod(client, name, node(script), 2);
  await client.until(async () => await client.ok(['logs', name]), /^here\n$/);
  const following = client.ok(['logs', '-f', name]);
  assert.equal(processesWith(mark).length, 1);
  await client.ok(['delete', 'pod', name, '--timeout=30s']);
  assert.equal(await following, 'here\nno\n');
  assert.deepEqual(processesWith(mark), []);
});

together('what leaves its parent twice ends with the container', async (client) => {
  const seconds = (at: number): string => `${client.name === 'now' ? 1 : 2}4003${at}`;
  const [own, byExec, brief] = [1, 2, 3].map((at) => `sleep ${seconds(at)}`) as [
    string,
    string,
    string,
  ];
  const twice = (command: string): string => {
    const child = `require('child_process').spawn('sleep', ['${command.slice(6)}'], { detached: true, stdio: 'ignore' }).unref()`;
    return `require('child_process').spawn(process.execPath, ['-e', ${JSON.stringify(child)}], { detached: true, stdio: 'ignore' }).unref()`;
  };
  const [stays, goes] = ['daemon', 'brief'].map((name) => client.own(name)) as [string, string];
  // One whose first process stays for a while, and one whose first process ends at once.
  await pod(client, stays, node(`${twice(own)}; setInterval(() => {}, 1e9)`));
  const inside = async (...command: readonly string[]): Promise<string> =>
    await client.ok(['exec', stays, '--', ...command]);
  const isThere = (command: string): string =>
    `until ps -e -o args | grep -q "^${command}"; do sleep 0.1; done`;
  await inside('sh', '-c', isThere(own));
  // The same by exec: it stays, too, until the container ends.
  await inside(...node(twice(byExec)));
  await inside('sh', '-c', isThere(byExec));
  for (const daemon of [own, byExec]) assert.deepEqual(processesWith(daemon), [`${daemon} `]);
  await client.ok(['delete', 'pod', stays, '--now']);
  for (const daemon of [own, byExec]) assert.deepEqual(processesWith(daemon), []);
  await pod(client, goes, node(twice(brief)));
  await ended(client, goes);
  assert.deepEqual(processesWith(brief), []);
  await client.ok(['delete', 'pod', goes, '--now']);
});
