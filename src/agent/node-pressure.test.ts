import assert from 'node:assert/strict';
import { test } from 'node:test';
import { machineResources, type MachineResources } from '#base/machine-resources.ts';
import { shortagesOf } from '#agent/node-pressure.ts';

const plenty: MachineResources = {
  memory: { available: 8e9, total: 16e9 },
  disk: { available: 50e9, total: 100e9 },
  inodes: { available: 1e6, total: 2e6 },
  processes: { available: 30_000, total: 32_768 },
};

test('pressure: by the kubelet’s thresholds', () => {
  const check = (short: Partial<MachineResources>, expected: readonly string[]): void =>
    assert.deepEqual([...shortagesOf({ ...plenty, ...short }).keys()], expected);
  check({}, []);
  check({ memory: { available: 99 * 1024 * 1024, total: 16e9 } }, ['MemoryPressure']);
  check({ disk: { available: 4e9, total: 100e9 } }, ['DiskPressure']);
  check({ disk: { available: 90e9, total: 1000e9 } }, []);
  check({ inodes: { available: 9, total: 1000 } }, ['DiskPressure']);
  check({ inodes: { available: 0, total: 0 } }, []);
  check({ processes: { available: 1000, total: 32_768 } }, ['PIDPressure']);
});

test('resources: what this machine has is within what it could have', async () => {
  for (const [name, { available, total }] of Object.entries(
    await machineResources(import.meta.dirname),
  ))
    assert.ok(available >= 0 && available <= total, name);
});
