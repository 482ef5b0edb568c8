import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { holderProgram } from '#agent/oci/holder-program.ts';

test('holder: is a program that ignores the end of its children, and waits', async () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'knode-holder-'));
  try {
    const file = path.join(folder, 'pause');
    writeFileSync(file, holderProgram(process.arch), { mode: 0o755 });
    const child = spawn(file, { stdio: 'ignore' });
    await once(child, 'spawn');
    const ignored = (): bigint => {
      const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      return BigInt(`0x${/^SigIgn:\s*(\w+)/m.exec(status)?.[1] ?? '0'}`);
    };
    const SIGCHLD_BIT = 1n << 16n;
    while ((ignored() & SIGCHLD_BIT) === 0n) {
      await setImmediate();
      assert.equal(child.signalCode, null);
    }
    child.kill('SIGKILL');
    assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('holder: there is one for every architecture that Node runs on here, and no other', () => {
  for (const arch of ['x64', 'arm64']) assert.equal(holderProgram(arch).readUInt16LE(16), 2);
  assert.throws(() => holderProgram('riscv64'), /wanted x64 or arm64/);
});
