import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { cgroupUsage } from '#agent/runtime/runc/cgroup-usage.ts';

async function check(files: Readonly<Record<string, string>>, expected: unknown): Promise<void> {
  const root = mkdtempSync(path.join(tmpdir(), 'knode-cgroup-'));
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(path.join(root, path.dirname(name)), { recursive: true });
      writeFileSync(path.join(root, name), text);
    }
    assert.deepEqual(await cgroupUsage('/knode-x/c', root), expected);
  } finally {
    rmSync(root, { recursive: true });
  }
}

test('cgroup usage: is read from v2, from v1, and from v1 with an empty v2 beside it', async () => {
  const expected = { cpuNanos: 1_500_000, memoryBytes: 3_000, processes: 7 };
  await check(
    {
      'knode-x/c/cpu.stat': 'usage_usec 1500\nuser_usec 1000\nsystem_usec 500\n',
      'knode-x/c/memory.current': '4000\n',
      'knode-x/c/pids.current': '7\n',
      'knode-x/c/memory.stat': 'anon 1\ninactive_file 1000\nactive_file 7\n',
    },
    expected,
  );
  const v1 = {
    'cpuacct/knode-x/c/cpuacct.usage': '1500000\n',
    'memory/knode-x/c/memory.usage_in_bytes': '4000\n',
    'pids/knode-x/c/pids.current': '7\n',
    'memory/knode-x/c/memory.stat': 'inactive_file 5\ntotal_inactive_file 1000\n',
  };
  await check(v1, expected);
  await check({ ...v1, 'unified/knode-x/c/cpu.stat': 'usage_usec 0\n' }, expected);
});

test('cgroup usage: files that are not in use never make memory negative', async () => {
  await check(
    {
      'knode-x/c/cpu.stat': 'usage_usec 0\n',
      'knode-x/c/memory.current': '10\n',
      'knode-x/c/memory.stat': 'inactive_file 4096\n',
    },
    { cpuNanos: 0, memoryBytes: 0, processes: 0 },
  );
});

test('cgroup usage: of a cgroup that is gone nothing is known', async () => {
  await check({}, undefined);
  await check({ 'memory/knode-x/c/memory.usage_in_bytes': '1' }, undefined);
});
