import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { BoundedFile } from './bounded-file.ts';

test('bounded file: two files of about the size, and the newest lines in them', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'bounded-'));
  try {
    const file = path.join(folder, 'requests.log');
    let dropped = 0;
    const options = { bytesMax: 100, onDropped: (bytes: number) => (dropped += bytes) };
    for (let at = 0; at < 30; at += 1) {
      // Another process of it goes on where the one before was.
      using log = new BoundedFile(file, options);
      log.write(`line ${at}\n`);
      log.write(`line ${at} again\n`);
    }
    const kept = [`${file}.1`, file]
      .map((each) => (existsSync(each) ? readFileSync(each, 'utf8') : ''))
      .join('');
    assert.ok(kept.endsWith('line 29\nline 29 again\n'), kept);
    assert.ok(kept.length < 300, `${kept.length} bytes`);
    const lines = kept.trimEnd().split('\n');
    assert.ok(lines.every((line) => /^line \d+( again)?$/.test(line)));
    assert.equal(dropped, 0);
    rmSync(folder, { recursive: true });
    using late = new BoundedFile(file, options);
    late.write('nobody\n');
    assert.equal(dropped, 7);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
