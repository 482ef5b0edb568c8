import assert from 'node:assert/strict';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { createRootfs } from '#agent/rootfs.ts';

test('copied root filesystem: a file in place of a link to the machine leaves the machine alone', async () => {
  const home = mkdtempSync(path.join(tmpdir(), 'knode-rootfs-'));
  try {
    const [lower, upper, machine] = ['lower', 'upper', 'machine'].map((name) => {
      mkdirSync(path.join(home, name));
      return path.join(home, name);
    }) as [string, string, string];
    writeFileSync(path.join(machine, 'secret'), 'machine');
    symlinkSync(path.join(machine, 'secret'), path.join(lower, 'file'));
    symlinkSync(machine, path.join(lower, 'folder'));
    mkdirSync(path.join(lower, 'becomes-link'));
    writeFileSync(path.join(upper, 'file'), 'image');
    mkdirSync(path.join(upper, 'folder'));
    writeFileSync(path.join(upper, 'folder', 'secret'), 'image');
    symlinkSync('file', path.join(upper, 'becomes-link'));
    await createRootfs({ layers: [lower, upper], bundle: home, method: 'copy' });
    const rootfs = path.join(home, 'rootfs');
    assert.equal(readFileSync(path.join(machine, 'secret'), 'utf8'), 'machine');
    assert.ok(lstatSync(path.join(rootfs, 'file')).isFile());
    assert.equal(readFileSync(path.join(rootfs, 'folder', 'secret'), 'utf8'), 'image');
    assert.ok(lstatSync(path.join(rootfs, 'becomes-link')).isSymbolicLink());
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
});
