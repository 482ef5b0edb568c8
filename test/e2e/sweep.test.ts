import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  globSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { Pod } from '#api/core-v1/pod.ts';
import type { Container } from '#api/generated/core-v1.ts';
import { interfacePrefix } from '#agent/network/pod-network.ts';
import { runtimeFolder } from '#agent/runtime/runc/runc-runtime.ts';
import { isReady, NODE_IMAGE, startAgentBed, type AgentBed } from '#test/support/agent-bed.ts';
import { machineTraces } from '#test/support/machine-traces.ts';
import { run } from '#test/support/platform.ts';

const SERVER = `require('node:http').createServer((q, s) => s.end('here')).listen(8080)`;

function server(): Container {
  return {
    name: 'main',
    image: NODE_IMAGE,
    args: ['-e', SERVER],
    readinessProbe: { httpGet: { port: 8080 } },
    volumeMounts: [{ name: 'memory', mountPath: '/memory' }],
  };
}

const spec = {
  terminationGracePeriodSeconds: 0,
  volumes: [{ name: 'memory', emptyDir: { medium: 'Memory' } }],
  containers: [server()],
};

async function must(...command: readonly [string, ...string[]]): Promise<void> {
  const { code, stderr } = await run(command);
  assert.equal(code, 0, stderr);
}

/** Files of the runtime and of pods, and what of the instance is elsewhere on the machine. */
async function traces(bed: AgentBed): Promise<Record<string, readonly string[]>> {
  const machine = Object.entries(await machineTraces()).map(
    ([kind, all]: [string, readonly string[]]) => [
      kind,
      all.filter((name) => name.includes(bed.instance) || name.includes(bed.home)),
    ],
  );
  const folders = {
    pods: path.join(bed.home, 'agent/pods'),
    state: `${runtimeFolder(bed.instance)}/state`,
    sockets: `${runtimeFolder(bed.instance)}/sockets`,
    exits: `${runtimeFolder(bed.instance)}/exits`,
  };
  const files = Object.entries(folders).map(([kind, folder]) => [
    kind,
    readdirSync(folder).toSorted(),
  ]);
  const cgroups = globSync(`/sys/fs/cgroup/{,*/}knode-${bed.instance}/*/`).toSorted();
  const rules = (await run(['nft', 'list', 'table', 'ip', `knode_${bed.instance}`])).stdout;
  return Object.fromEntries([
    ...machine,
    ...files,
    ['cgroups inside', cgroups],
    ['rules', [rules]],
  ]);
}

/** One of everything that a killed process may leave, for nobody. */
const plants: Readonly<Record<string, (bed: AgentBed, stays: Pod) => Promise<void>>> = {
  async 'a pod’s folder without a record, with mounts in it'({ home }) {
    const folder = path.join(home, 'agent/pods/11111111-1111-1111-1111-111111111111');
    for (const name of ['volumes/a', 'containers/main/0/rootfs']) {
      mkdirSync(path.join(folder, name), { recursive: true });
      await must('mount', '-t', 'tmpfs', 'tmpfs', path.join(folder, name));
    }
    const below = path.join(folder, 'containers/main/0/rootfs/below');
    mkdirSync(below);
    await must('mount', '-t', 'tmpfs', 'tmpfs', below);
  },
  async 'a record of a pod that is no more, with its network'({ home, instance, ranges }, stays) {
    const pods = path.join(home, 'agent/pods');
    const file = path.join(pods, stays.metadata.uid ?? '', 'pod.json');
    const uid = '22222222-2222-2222-2222-222222222222';
    const address = ranges.podFacing.replace(/\.0\.1$/, '.255.17');
    const containers = { main: { id: 'f00d', attempt: 0, image: 'x', imageID: 'y' } };
    const record = {
      ...(JSON.parse(readFileSync(file, 'utf8')) as object),
      uid,
      address,
      containers,
    };
    mkdirSync(path.join(pods, uid));
    writeFileSync(path.join(pods, uid, 'pod.json'), JSON.stringify(record));
    await must('ip', 'netns', 'add', `knode-${instance}-ff11`);
    const link = `${interfacePrefix(instance)}ff11`;
    await must(
      'ip',
      'link',
      'add',
      link,
      'type',
      'veth',
      'peer',
      'name',
      'eth0',
      'netns',
      `knode-${instance}-ff11`,
    );
    await must('ip', 'link', 'set', link, 'up');
    await must('ip', 'route', 'add', `${address}/32`, 'dev', link);
  },
  async 'a namespace alone, and a link alone'({ instance }) {
    await must('ip', 'netns', 'add', `knode-${instance}-ff12`);
    const link = interfacePrefix(instance);
    await must('ip', 'link', 'add', `${link}ff13`, 'type', 'veth', 'peer', 'name', `${link}ff14`);
  },
  async 'a record that was cut short'({ home }) {
    const folder = path.join(home, 'agent/pods/33333333-3333-3333-3333-333333333333');
    mkdirSync(folder);
    writeFileSync(path.join(folder, 'pod.json.tmp'), '{"version":1,"na');
  },
  async 'cgroups with nobody in them'({ instance }) {
    for (const folder of globSync(`/sys/fs/cgroup/{,*/}knode-${instance}/`))
      mkdirSync(path.join(folder, 'dead0'));
  },
  async 'what the runtime kept of containers that are gone'({ instance }) {
    const folder = runtimeFolder(instance);
    mkdirSync(`${folder}/state/dead1`);
    mkdirSync(`${folder}/sockets/dead2`);
    writeFileSync(`${folder}/exits/dead3`, '0');
    writeFileSync(`${folder}/exec-1-1.json`, '{}');
  },
  async 'rules of a Service that is gone'({ instance }) {
    await must('nft', 'add', 'chain', 'ip', `knode_${instance}`, 'service_gone');
    await must(
      'nft',
      'add',
      'element',
      'ip',
      `knode_${instance}`,
      'services',
      '{ 10.255.255.7 . tcp . 80 : goto service_gone }',
    );
  },
  async 'a trial of overlayfs that was interrupted'({ home }) {
    const scratch = path.join(home, 'agent/overlay-trial/rootfs');
    mkdirSync(scratch, { recursive: true });
    await must('mount', '-t', 'tmpfs', 'tmpfs', scratch);
  },
};

for (const [what, plant] of Object.entries(plants)) {
  test(`sweep: ${what}`, async () => {
    await using bed = await startAgentBed();
    await bed.createPod('stays', spec);
    const stays = await bed.podOnce('stays', isReady);
    const before = await traces(bed);
    await plant(bed, stays);
    assert.notDeepEqual(await traces(bed), before, 'nothing was planted');
    await bed.restart();
    assert.deepEqual(await traces(bed), before);
    assert.ok(!existsSync(path.join(bed.home, 'agent/overlay-trial')));
    const same = await bed.podOnce('stays', isReady);
    assert.deepEqual(same.status?.containerStatuses, stays.status?.containerStatuses);
  });
}

test('sweep: what runs for nobody is ended: a container without a record, a process without a container', async () => {
  await using bed = await startAgentBed();
  await bed.createPod('stays', spec);
  await bed.createPod('lost', spec);
  const stays = await bed.podOnce('stays', isReady);
  const lost = await bed.podOnce('lost', isReady);
  const idOf = ({ status }: Pod): string =>
    (status?.containerStatuses?.[0]?.containerID ?? '').replace('runc://', '');
  rmSync(path.join(bed.home, 'agent/pods', lost.metadata.uid ?? '', 'pod.json'));
  const orphan = spawn('sleep', ['400551'], { stdio: 'ignore' });
  using _orphan = { [Symbol.dispose]: () => void orphan.kill('SIGKILL') };
  // The hierarchy of processors takes nobody before it is told of some.
  const controllers = '{,memory/,pids/,unified/}';
  for (const folder of globSync(`/sys/fs/cgroup/${controllers}knode-${bed.instance}/`)) {
    mkdirSync(path.join(folder, 'dead4'));
    writeFileSync(path.join(folder, 'dead4/cgroup.procs'), String(orphan.pid));
  }
  const ended = once(orphan, 'exit') as Promise<[number | null, string | null]>;
  await bed.restart();
  assert.deepEqual(await ended, [null, 'SIGKILL']);
  // The pod is still wanted, and made anew.
  const again = await bed.podOnce('lost', (pod) => isReady(pod) && idOf(pod) !== idOf(lost));
  const { processes, namespaces } = await machineTraces();
  assert.ok(!processes.some((command) => command.includes(idOf(lost))), processes.join('\n'));
  assert.equal(namespaces.filter((name) => name.includes(bed.instance)).length, 2);
  assert.deepEqual(globSync(`/sys/fs/cgroup/{,*/}knode-${bed.instance}/dead4/`), []);
  assert.notEqual(again.status?.podIP, undefined);
  const same = await bed.podOnce('stays', isReady);
  assert.equal(idOf(same), idOf(stays));
});
