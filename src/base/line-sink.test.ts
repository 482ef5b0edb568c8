import assert from 'node:assert/strict';
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { lineSink } from '#base/line-sink.ts';

test('line sink: a full disk costs lines and nothing else', () => {
  const full = openSync('/dev/full', 'w');
  const write = lineSink(full);
  write('one\n');
  write('two\n');
  // The same descriptor, with room again.
  closeSync(full);
  const folder = mkdtempSync(path.join(tmpdir(), 'knode-lines-'));
  try {
    const file = path.join(folder, 'log');
    const again = openSync(file, 'w');
    assert.equal(again, full);
    write('three\n');
    write('four\n');
    closeSync(again);
    assert.equal(
      readFileSync(file, 'utf8'),
      '{"level":"warn","message":"lines dropped: 2"}\nthree\nfour\n',
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
});
