import assert from 'node:assert/strict';
import {
  appendFileSync,
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { boundLogs } from './bounded-logs.ts';

test('a log that grew too large is put aside, and its writer goes on', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'knode-logs-'));
  const file = path.join(folder, 'control.log');
  const writer = openSync(file, 'a');
  try {
    const clock = new FakeClock();
    using _bounded = boundLogs(folder, clock, 10);
    writeSync(writer, '0123456789');
    clock.advance(60_000);
    assert.equal(readFileSync(file, 'utf8'), '0123456789');
    writeSync(writer, 'a');
    clock.advance(60_000);
    writeSync(writer, 'b');
    appendFileSync(path.join(folder, 'gateway.log'), 'small');
    assert.equal(readFileSync(file, 'utf8'), 'b');
    assert.equal(readFileSync(`${file}.1`, 'utf8'), '0123456789a');
  } finally {
    closeSync(writer);
    rmSync(folder, { recursive: true });
  }
});
