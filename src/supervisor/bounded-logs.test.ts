import assert from 'node:assert/strict';
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { silentLog } from '#base/log.ts';
import { boundLogs } from './bounded-logs.ts';

test('a log that grew too large is put aside, and its writer goes on', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'knode-logs-'));
  const file = path.join(folder, 'control.log');
  const writer = openSync(file, 'a');
  try {
    const clock = new FakeClock();
    using _bounded = boundLogs(folder, { clock, log: silentLog, bytesMax: 10 });
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

test('a log that cannot be put aside is emptied all the same, and the others are looked after', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'knode-logs-'));
  const sizeOf = (name: string): number => statSync(path.join(folder, name)).size;
  try {
    // What is there cannot be written over, as nothing can on a full disk.
    mkdirSync(path.join(folder, 'control.log.1'));
    for (const name of ['control.log', 'gateway.log']) {
      writeFileSync(path.join(folder, name), '0123456789a');
    }
    const clock = new FakeClock();
    using _bounded = boundLogs(folder, { clock, log: silentLog, bytesMax: 10 });
    assert.deepEqual([sizeOf('control.log'), sizeOf('gateway.log')], [0, 0]);
    writeFileSync(path.join(folder, 'control.log'), '0123456789a');
    clock.advance(60_000);
    assert.equal(sizeOf('control.log'), 0);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
