import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { bodyText } from '#base/http-message.ts';
import { Event } from '#api/core-v1/event.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { Service } from '#api/core-v1/service.ts';
import type { Container, PodSpec } from '#api/generated/core-v1.ts';
import { NODE_IMAGE, startAgentBed, type AgentBed } from '#test/support/agent-bed.ts';

function node(script: string, rest: Partial<Container> = {}): Container {
  return { name: 'main', image: NODE_IMAGE, args: ['-e', script], ...rest };
}

async function log(bed: AgentBed, name: string): Promise<string> {
  const { signal } = new AbortController();
  const request = { namespace: 'default', name, query: new URLSearchParams(), signal };
  return await bodyText((await bed.agent.access.log(request)).body);
}

/** What the pod's program prints as JSON, once it has ended well. */
async function told(bed: AgentBed, name: string): Promise<unknown> {
  const pod = await bed.podOnce(name, ({ status }) => /Succeeded|Failed/.test(status?.phase ?? ''));
  const text = await log(bed, name);
  assert.equal(pod.status?.phase, 'Succeeded', `${text} ${JSON.stringify(pod.status)}`);
  return JSON.parse(text);
}

const waiting = ({ status }: Pod) => status?.containerStatuses?.[0]?.state?.waiting;

test('security: a container may do to the machine what its spec says, and no more', async () => {
  await using bed = await startAgentBed();
  await mkdir(path.join(bed.home, 'seccomp'));
  const profile = {
    defaultAction: 'SCMP_ACT_ALLOW',
    syscalls: [{ names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' }],
  };
  await writeFile(path.join(bed.home, 'seccomp/no-mkdir.json'), JSON.stringify(profile));
  await bed.cluster.client.create(Service, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'my-db', namespace: 'default' },
    spec: { ports: [{ name: 'sql', port: 5432, protocol: 'TCP' }] },
  });
  const look = `const status = fs.readFileSync('/proc/self/status', 'utf8');
    const field = (name) => status.match(new RegExp(name + ':\\\\s*(\\\\S+)'))[1];
    const tries = (what) => { try { what(); return 'may' } catch (error) { return error.code } };
    console.log(JSON.stringify({ caps: field('CapEff'), seccomp: field('Seccomp'), alone: field('NoNewPrivs'),
      devices: fs.existsSync('/dev/kmsg') || fs.readdirSync('/dev').length,
      sys: tries(() => fs.accessSync('/proc/sys/kernel/hostname', fs.constants.W_OK)), mkdir: tries(() => fs.mkdirSync('/tmp/x')),
      oom: fs.readFileSync('/proc/self/oom_score_adj', 'utf8').trim(), host: os.hostname(), pids: fs.readdirSync('/proc').filter(Number).length,
      ports: fs.readFileSync('/proc/sys/net/ipv4/ip_unprivileged_port_start', 'utf8').trim(), db: process.env.MY_DB_PORT_5432_TCP }))`;
  const pods: Readonly<
    Record<string, Partial<PodSpec> & { securityOf?: Container['securityContext'] }>
  > = {
    plain: {},
    privileged: { securityOf: { privileged: true } },
    confined: {
      enableServiceLinks: false,
      securityContext: { sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '80' }] },
      securityOf: {
        allowPrivilegeEscalation: false,
        capabilities: { drop: ['ALL'] },
        seccompProfile: { type: 'Localhost', localhostProfile: 'no-mkdir.json' },
      },
    },
    hosted: { hostNetwork: true, hostPID: true, hostIPC: true },
    everything: { securityOf: { capabilities: { add: ['ALL'], drop: ['SYS_TIME'] } } },
  };
  for (const [name, { securityOf, ...spec }] of Object.entries(pods)) {
    const rest = securityOf ? { securityContext: securityOf } : {};
    await bed.createPod(name, { ...spec, restartPolicy: 'Never', containers: [node(look, rest)] });
  }
  const is = async (name: string, expected: object): Promise<void> => {
    const found = (await told(bed, name)) as Record<string, unknown>;
    const chosen = Object.fromEntries(Object.keys(expected).map((key) => [key, found[key]]));
    assert.deepEqual(chosen, expected, name);
  };
  const url = /^tcp:\/\/10\.\d+\.\d+\.\d+:5432$/;
  assert.match(((await told(bed, 'plain')) as { db: string }).db, url);
  await is('plain', {
    caps: '00000000a80425fb',
    seccomp: '2',
    alone: '0',
    sys: 'EROFS',
    mkdir: 'may',
    oom: '1000',
    host: 'plain',
  });
  await is('privileged', { seccomp: '0', sys: 'may', mkdir: 'may' });
  await is('confined', {
    caps: '0000000000000000',
    seccomp: '2',
    alone: '1',
    mkdir: 'EPERM',
    ports: '80',
  });
  await is('hosted', { host: os.hostname() });
  const { pids, db } = (await told(bed, 'hosted')) as { pids: number; db: string };
  assert.ok(pids > 2, 'it sees the processes of the machine');
  assert.match(db, url);
  const [full, open] = (await Promise.all(
    ['privileged', 'everything'].map((name) => told(bed, name)),
  )) as { caps: string }[];
  assert.equal(BigInt(`0x${full?.caps}`) & ~(1n << 25n), BigInt(`0x${open?.caps}`));
  const hosted = await bed.podOnce('hosted', () => true);
  assert.equal(hosted.status?.podIP, bed.ranges.podFacing);
});

test('security: what is not there is named, and waits', async () => {
  await using bed = await startAgentBed();
  const containers = [node('0')];
  await bed.createPod('sysctl', {
    containers,
    securityContext: { sysctls: [{ name: 'kernel.msgmax', value: '1' }] },
  });
  const absent = { seccompProfile: { type: 'Localhost', localhostProfile: 'absent.json' } };
  await bed.createPod('profile', { containers, securityContext: absent });
  const expected: Readonly<Record<string, readonly [string, RegExp]>> = {
    sysctl: ['SysctlForbidden', /"kernel.msgmax" not allowlisted/],
    profile: ['CreateContainerConfigError', /cannot load seccomp profile .*absent.json/],
  };
  for (const [name, [reason, message]] of Object.entries(expected)) {
    const pod = await bed.podOnce(name, (each) => waiting(each)?.reason === reason);
    assert.match(waiting(pod)?.message ?? '', message);
  }
});

test('limits: a deadline, and a volume beyond its size, end a pod for good', async () => {
  await using bed = await startAgentBed();
  const idle = node('setInterval(() => {}, 1e6)');
  await bed.createPod('late', {
    activeDeadlineSeconds: 1,
    terminationGracePeriodSeconds: 1,
    containers: [idle],
  });
  const fill = "fs.writeFileSync('/data/big', Buffer.alloc(3e6)); setInterval(() => {}, 1e6)";
  await bed.createPod('full', {
    volumes: [{ name: 'data', emptyDir: { sizeLimit: '1Mi' } }],
    containers: [node(fill, { volumeMounts: [{ name: 'data', mountPath: '/data' }] })],
  });
  const greedy = "fs.writeFileSync('/big', Buffer.alloc(3e6)); setInterval(() => {}, 1e6)";
  await bed.createPod('greedy', {
    containers: [node(greedy, { resources: { limits: { 'ephemeral-storage': '1Mi' } } })],
  });
  const failed = async (name: string): Promise<Pod['status']> =>
    (await bed.podOnce(name, ({ status }) => status?.phase === 'Failed')).status;
  const late = await failed('late');
  assert.equal(late?.reason, 'DeadlineExceeded');
  assert.equal(late?.message, 'Pod was active on the node longer than the specified deadline');
  assert.equal(late?.containerStatuses?.[0]?.state?.terminated?.exitCode, 137);
  const full = await failed('full');
  assert.equal(full?.reason, 'Evicted');
  assert.match(full?.message ?? '', /Usage of EmptyDir volume "data" exceeds the limit "1Mi"/);
  assert.ok(
    full?.conditions?.some(({ type, status }) => type === 'DisruptionTarget' && status === 'True'),
  );
  assert.match(
    (await failed('greedy'))?.message ?? '',
    /^Pod ephemeral local storage usage exceeds the total limit of containers 1Mi\. $/,
  );
  const { items } = await bed.cluster.client.list(Event, { namespace: 'default' });
  assert.ok(
    items.some(
      ({ reason, involvedObject }) => reason === 'Evicted' && involvedObject.name === 'full',
    ),
  );
  await bed.restart();
  assert.equal((await bed.podOnce('full', () => true)).status?.phase, 'Failed');
});
