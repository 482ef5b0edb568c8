import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { smallestBound } from './cgroup-bounds.ts';

/** A tree of files as the kernel shows cgroups, and who we are in it. */
function tree(membership: string, files: Readonly<Record<string, string>>) {
  const root = mkdtempSync(path.join(tmpdir(), 'knode-cgroups-'));
  for (const [name, text] of Object.entries({ ...files, membership })) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), text);
  }
  return {
    places: { root, membership: path.join(root, 'membership') },
    [Symbol.dispose]: () => rmSync(root, { recursive: true }),
  };
}

test('bounds: version 2: of the cgroup and those around it, the one that leaves the least', async () => {
  using found = tree('0::/system.slice/knode.service\n', {
    'system.slice/knode.service/pids.max': '4000\n',
    'system.slice/knode.service/pids.current': '50\n',
    'system.slice/pids.max': '300\n',
    'system.slice/pids.current': '120\n',
    'system.slice/knode.service/memory.max': '1000000\n',
    'system.slice/knode.service/memory.current': '700000\n',
    'system.slice/knode.service/memory.stat': 'anon 1\ninactive_file 200000\n',
  });
  assert.deepEqual(await smallestBound('pids', 'process', found.places), {
    available: 180,
    total: 300,
  });
  assert.deepEqual(await smallestBound('memory', 'process', found.places), {
    available: 500_000,
    total: 1_000_000,
  });
  assert.equal(await smallestBound('pids', 'everybody', found.places), undefined);
});

test('bounds: version 1: each controller has a hierarchy', async () => {
  using found = tree('4:pids:/box\n3:cpu,cpuacct:/other\n2:memory:/box\n0::/\n', {
    'pids/box/pids.max': '100\n',
    'pids/box/pids.current': '30\n',
    'memory/box/memory.limit_in_bytes': '5000\n',
    'memory/box/memory.usage_in_bytes': '6000\n',
  });
  assert.deepEqual(await smallestBound('pids', 'process', found.places), {
    available: 70,
    total: 100,
  });
  assert.deepEqual(await smallestBound('memory', 'process', found.places), {
    available: 0,
    total: 5000,
  });
});

test('bounds: what a container around all has counts for everybody', async () => {
  using found = tree('0::/knode\n', {
    'pids.max': '1000\n',
    'pids.current': '100\n',
    'knode/pids.max': '200\n',
    'knode/pids.current': '50\n',
  });
  const { places } = found;
  const all = { available: 900, total: 1000 };
  assert.deepEqual(await smallestBound('pids', 'everybody', places), all);
  const own = { available: 150, total: 200 };
  assert.deepEqual(await smallestBound('pids', 'process', places), own);
});

test('bounds: none where nothing is limited, or nothing is to be seen', async () => {
  using found = tree('0::/../../outside\n', { 'pids.max': 'max\n', 'pids.current': '3\n' });
  assert.equal(await smallestBound('pids', 'process', found.places), undefined);
  assert.equal(await smallestBound('memory', 'process', found.places), undefined);
});
