import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { isOomKilled, limitProcesses, removeCgroup } from '#agent/runtime/runc/cgroup.ts';

const CGROUP = '/knode-x';
const CONTAINER = `${CGROUP}/c`;

/** A folder that looks like /sys/fs/cgroup: files by their path, with what is in them. */
async function withTree(
  files: Readonly<Record<string, string>>,
  check: (root: string) => Promise<void>,
): Promise<void> {
  const root = mkdtempSync(path.join(tmpdir(), 'knode-cgroup-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.join(root, path.dirname(name)), { recursive: true });
      writeFileSync(path.join(root, name), text);
    }
    await check(root);
  } finally {
    rmSync(root, { recursive: true });
  }
}

test('cgroup: who was killed for want of memory is told by v2, by v1, and by v1 with an empty v2 beside it', async () => {
  const says = (files: Readonly<Record<string, string>>, expected: boolean): Promise<void> =>
    withTree(files, async (root) => assert.equal(await isOomKilled(CONTAINER, root), expected));
  await says({ 'knode-x/c/memory.events': 'oom 1\noom_kill 2\noom_group_kill 0\n' }, true);
  await says({ 'knode-x/c/memory.events': 'oom 1\noom_kill 0\noom_group_kill 0\n' }, false);
  const v1 = 'oom_kill_disable 0\nunder_oom 0\noom_kill ';
  await says({ 'memory/knode-x/c/memory.oom_control': `${v1}1\n` }, true);
  await says({ 'memory/knode-x/c/memory.oom_control': `${v1}0\n` }, false);
  const hybrid = { 'unified/knode-x/c/cgroup.procs': '' };
  await says({ ...hybrid, 'memory/knode-x/c/memory.oom_control': `${v1}3\n` }, true);
  await says(hybrid, false);
});

test('cgroup: processes are bounded in v2’s one hierarchy, or in v1’s own for them', async () => {
  for (const file of ['knode-x/pids.max', 'pids/knode-x/pids.max'])
    await withTree({ [file]: 'max\n' }, async (root) => {
      await limitProcesses(CGROUP, 800, root);
      assert.match(readFileSync(path.join(root, file), 'utf8'), /^800/);
    });
  // Where nobody counts processes by cgroup there is no bound, and no failure.
  await withTree({ 'memory/tasks': '' }, async (root) => await limitProcesses(CGROUP, 800, root));
});

test('cgroup: removed in every hierarchy, with the empty ones inside', async () => {
  await withTree({ 'memory/tasks': '' }, async (root) => {
    for (const folder of ['knode-x/c', 'memory/knode-x/c', 'cpu/knode-x'])
      mkdirSync(path.join(root, folder), { recursive: true });
    await removeCgroup(CGROUP, root);
    for (const folder of ['knode-x', 'memory/knode-x', 'cpu/knode-x'])
      assert.ok(!existsSync(path.join(root, folder)), folder);
    assert.ok(existsSync(path.join(root, 'memory/tasks')));
  });
});
