import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { bodyText } from '#base/http-message.ts';
import { Pod } from '#api/core-v1/pod.ts';
import type { Container } from '#api/generated/core-v1.ts';
import { isReady, NODE_IMAGE, startAgentBed, type AgentBed } from '#test/support/agent-bed.ts';
import { machineTraces } from '#test/support/machine-traces.ts';

function node(name: string, script: string, rest: Partial<Container> = {}): Container {
  return { name, image: NODE_IMAGE, args: ['-e', script], ...rest };
}

const IDLE = 'setInterval(() => {}, 1e6)';
/** What a program sees of the processes around it: number and command of each. */
const SEE = `const see = () => fs.readdirSync('/proc').filter(Number).map((pid) => {
    const text = (name) => { try { return fs.readFileSync('/proc/' + pid + '/' + name, 'utf8') } catch { return '' } };
    const state = (/^State:\\s+(\\S)/m.exec(text('status')) ?? [])[1];
    return { pid: Number(pid), state, command: text('cmdline').split('\\0').filter(Boolean) } });`;

async function log(bed: AgentBed, name: string, container: string): Promise<string> {
  const { signal } = new AbortController();
  const query = new URLSearchParams({ container });
  const request = { namespace: 'default', name, query, signal };
  return await bodyText((await bed.agent.access.log(request)).body);
}

async function tracesOf(bed: AgentBed): Promise<string[]> {
  const traces = await machineTraces();
  return Object.values(traces).flatMap((names: readonly string[]) =>
    names.filter((name) => name.includes(bed.instance)),
  );
}

/** The program that holds a pod's processes together, by the cgroup it is in. */
function holderOf(bed: AgentBed): number {
  const found = readdirSync('/proc').find((pid) => {
    const read = (name: string): string =>
      Number(pid) > 0 && existsSync(`/proc/${pid}/${name}`)
        ? readFileSync(`/proc/${pid}/${name}`, 'utf8')
        : '';
    return read('cgroup').includes(`knode-${bed.instance}/`) && read('cmdline') === '/pause\0';
  });
  return Number(found);
}

async function deletePod(bed: AgentBed, name: string): Promise<void> {
  const ref = { namespace: 'default', name };
  await bed.cluster.client.delete(Pod, ref, { gracePeriodSeconds: 1 });
  await bed.podGone(name);
}

test('namespaces: containers see, signal and outlive each other where the pod says so', async () => {
  await using bed = await startAgentBed();
  // The first pod brings what all share: the instance's cgroup.
  await bed.createPod('first', { containers: [node('main', IDLE)] });
  await bed.podOnce('first', isReady);
  await deletePod(bed, 'first');
  const before = await tracesOf(bed);
  // An orphan of its own child ends: whoever holds the namespace has to see to that.
  const looks = `${SEE} const child = require('node:child_process').spawn('/bin/node', ['-e',
      "const { pid } = require('node:child_process').spawn('/bin/node', ['-e', '0'], { detached: true, stdio: 'ignore' }); console.log(pid)"],
      { stdio: ['ignore', 'pipe', 'inherit'] });
    let orphan = ''; child.stdout.on('data', (data) => { orphan += data });
    const gone = () => see().every(({ pid }) => pid !== Number(orphan));
    const other = () => see().find(({ command }) => command.includes('other'));
    child.once('close', () => { const timer = setInterval(() => { if (!other() || !gone()) return; clearInterval(timer);
      const all = see(); process.kill(other().pid, 'SIGTERM');
      console.log(JSON.stringify({ first: all.find(({ pid }) => pid === 1), own: process.pid, states: all.map(({ state }) => state).join('') }));
      fs.writeFileSync('/dev/shm/word', 'left'); ${IDLE} }, 20) })`;
  const told = `process.on('SIGTERM', () => { console.log('told'); process.exit(7) }); ${IDLE}`;
  await bed.createPod('shared', {
    shareProcessNamespace: true,
    containers: [node('looks', looks), node('other', told, { args: ['-e', told, 'other'] })],
  });
  const restarted = ({ status }: Pod): boolean =>
    status?.containerStatuses?.[1]?.lastState?.terminated?.exitCode === 7 &&
    status.containerStatuses[1].state?.running !== undefined;
  const pod = await bed.podOnce('shared', restarted);
  const seen = JSON.parse(await log(bed, 'shared', 'looks')) as {
    first: { command: string[] };
    own: number;
    states: string;
  };
  assert.deepEqual(seen.first.command, ['/pause']);
  assert.ok(seen.own > 1);
  assert.ok(!seen.states.includes('Z'), `a zombie stays: ${seen.states}`);
  // A later process finds all of it again, and what it makes joins it.
  await bed.restart();
  const id = pod.status?.containerStatuses?.[0]?.containerID;
  const after = await bed.podOnce('shared', isReady);
  assert.equal(after.status?.containerStatuses?.[0]?.containerID, id);
  // The end of the first process is the end of all: they are made anew, around another one.
  process.kill(holderOf(bed), 'SIGKILL');
  await bed.podOnce(
    'shared',
    ({ status }) =>
      status?.containerStatuses?.every(
        ({ lastState, state }) => lastState?.terminated?.exitCode === 137 && state?.running,
      ) ?? false,
  );
  assert.ok(holderOf(bed) > 0);
  await deletePod(bed, 'shared');
  assert.deepEqual(await tracesOf(bed), before);
});

test('namespaces: what a program leaves behind ends with its container, also where processes are shared', async () => {
  await using bed = await startAgentBed();
  // The child keeps the container's output open.
  const leaves = `require('node:child_process').spawn('/bin/node', ['-e', '${IDLE}', 'left'], { stdio: 'inherit', detached: true });
    setTimeout(() => process.exit(3), 200)`;
  const watches = `${SEE} let seen = false; setInterval(() => {
      const found = see().some(({ command }) => command.includes('left'));
      seen ||= found; if (seen && !found) process.exit(0) }, 20)`;
  await bed.createPod('leaves', {
    shareProcessNamespace: true,
    restartPolicy: 'Never',
    containers: [node('watches', watches), node('leaves', leaves)],
  });
  const pod = await bed.podOnce('leaves', ({ status }) => status?.phase === 'Failed');
  const codes = pod.status?.containerStatuses?.map(({ state }) => state?.terminated?.exitCode);
  assert.deepEqual(codes, [0, 3]);
});

test('namespaces: memory is the pod’s: it outlives a container, and the others see it', async () => {
  await using bed = await startAgentBed();
  const add = (name: string, then: string): Container =>
    node(name, `fs.appendFileSync('/dev/shm/names', '${name} '); ${then}`);
  const read = "process.stdout.write(fs.readFileSync('/dev/shm/names', 'utf8')";
  const message = `require('node:fs').readlinkSync('/proc/self/ns/ipc')`;
  const shows = `if (fs.readFileSync('/dev/shm/names', 'utf8').split('main').length < 3) process.exit(1);
    ${read} + ${message})`;
  await bed.createPod('memory', {
    restartPolicy: 'OnFailure',
    initContainers: [add('init', '')],
    containers: [add('main', shows), node('beside', `process.stdout.write(${message})`)],
  });
  await bed.podOnce('memory', ({ status }) => status?.phase === 'Succeeded');
  const [words = '', namespace] = (await log(bed, 'memory', 'main')).split(/(?=ipc:)/);
  assert.equal(words, 'init main main ');
  assert.equal(namespace, await log(bed, 'memory', 'beside'));
});
