import assert from 'node:assert/strict';
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { once } from 'node:events';
import path from 'node:path';
import { test } from 'node:test';
import { instanceOf } from '#supervisor/settings.ts';
import { call, pidOf, platform, run, type Outcome, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

/** `knode` where a process may open so many files. */
async function withFiles(it: Platform, files: number, ...args: string[]): Promise<Outcome> {
  return await run(['prlimit', `--nofile=${files}:${files}`, './knode', ...args], { env: it.env });
}

interface Status {
  readonly machine: readonly {
    readonly name: string;
    readonly available: number;
    readonly total: number;
  }[];
}

async function limitsOf(it: Platform): Promise<Map<string, Status['machine'][number]>> {
  const { machine } = JSON.parse((await it.knode('status', '-o', 'json')).stdout) as Status;
  return new Map(machine.map((limit) => [limit.name, limit]));
}

test('limits: too few files to begin with are refused in a sentence', async () => {
  await using it = platform();
  for (const detach of [['-d'], []]) {
    const refused = await withFiles(it, 128, 'up', ...detach, ...it.ports);
    assert.equal(refused.code, 1);
    assert.match(
      refused.stderr,
      /^knode: Cannot start: a process may open 128 files here, wanted 512 or more; raise the limit \('ulimit -n 65536', LimitNOFILE= of a unit\)\n$/,
    );
  }
});

test('limits: few files are enough for few; more connections than files cost nobody anything, and what is short is told', async () => {
  await using it = platform();
  const up = await withFiles(it, 512, 'up', '-d', ...it.ports);
  assert.equal(up.code, 0, up.stderr);
  const image = await sampleImage(it);
  const deployed = await it.knode('deploy', 'hello', '--image', image);
  assert.equal(deployed.code, 0, deployed.stderr);
  const url = deployed.stdout.trim();
  assert.equal((await limitsOf(it)).get('files of gateway')?.total, 512);
  const pids = ['control', 'gateway'].map((part) => pidOf(it.home, part));
  const server = await it.ok(['config', 'view', '-o', 'jsonpath={.clusters[0].cluster.server}']);
  for (const [part, port] of [
    ['gateway', Number(new URL(url).port)],
    ['control', Number(new URL(server).port)],
  ] as const) {
    const open: Socket[] = [];
    let closed = 0;
    for (let count = 0; count < 700; count += 1) {
      const socket = connect({ port, host: '127.0.0.1' });
      socket.on('error', () => undefined).on('close', () => (closed += 1));
      await once(socket, 'connect', { signal: AbortSignal.timeout(10_000) });
      open.push(socket);
    }
    const { available = 0 } = (await limitsOf(it)).get(`files of ${part}`) ?? {};
    assert.ok(available > 100, `${part} has ${available} of 512 files left`);
    for (const socket of open) socket.destroy();
    assert.ok(closed > 0);
  }
  assert.deepEqual(
    ['control', 'gateway'].map((part) => pidOf(it.home, part)),
    pids,
    'nothing was started anew',
  );
  assert.equal((await call(url)).status, 200);
  const [, gateway = 0] = pids;
  const used = 512 - ((await limitsOf(it)).get('files of gateway')?.available ?? 0);
  await run(['prlimit', '--pid', String(gateway), `--nofile=${used + 2}:512`]);
  const short = `short +files of gateway: \\d+ of ${used + 2} free; raise the limit of open files`;
  assert.match((await it.knode('status')).stdout, new RegExp(short));
  await run(['prlimit', '--pid', String(gateway), '--nofile=512:512']);
  const again = await it.knode('deploy', 'again', '--image', image);
  assert.equal(again.code, 0, again.stderr);
  assert.equal((await call(again.stdout.trim())).status, 200);
});

/** A cgroup as a service manager makes one for what it starts; `bounds` are its files in either version. */
function unit(it: Platform, controller: 'memory' | 'pids', bounds: readonly string[]) {
  const version2 = '/sys/fs/cgroup/cgroup.controllers';
  const isNew = existsSync(version2);
  const root = isNew ? '/sys/fs/cgroup' : `/sys/fs/cgroup/${controller}`;
  const cgroup = path.join(root, `knode-test-${instanceOf(it.home)}`);
  mkdirSync(cgroup);
  return {
    async knode(limit: number, ...args: string[]): Promise<Outcome> {
      writeFileSync(path.join(cgroup, bounds[isNew ? 1 : 0] ?? ''), String(limit));
      const script = 'echo $$ > "$0/cgroup.procs" && exec ./knode "$@"';
      return await run(['sh', '-c', script, cgroup, ...args], { env: it.env });
    },
    [Symbol.dispose]: () => rmdirSync(cgroup),
  };
}

test('limits: the processes that a service manager leaves it are those that it counts', async () => {
  await using it = platform();
  using inside = unit(it, 'pids', ['pids.max', 'pids.max']);
  const refused = await inside.knode(150, 'up', '-d', ...it.ports);
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /^knode: Cannot start: \d+ of 150 processes may still be started here, wanted 200 or more; raise the limit \(TasksMax=/,
  );
  const up = await it.knode('up', '-d', ...it.ports);
  assert.equal(up.code, 0, up.stderr);
  const status = JSON.parse((await inside.knode(3000, 'status', '-o', 'json')).stdout) as Status;
  assert.equal(status.machine.find(({ name }) => name === 'processes')?.total, 3000);
});

test('limits: so is the memory', async () => {
  await using it = platform();
  using inside = unit(it, 'memory', ['memory.limit_in_bytes', 'memory.max']);
  const refused = await inside.knode(250 * 1024 * 1024, 'up', '-d', ...it.ports);
  assert.equal(refused.code, 1);
  assert.match(
    refused.stderr,
    /^knode: Cannot start: \d+ of 250 MiB of memory are left here, wanted 256 or more; end something, or raise the limit \(MemoryMax=/,
  );
});
