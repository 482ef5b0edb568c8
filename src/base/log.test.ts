import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from './fake-clock.ts';
import { atLeast, jsonLog, type LogLevel } from './log.ts';

test('log: what matters less than asked for is not written, and that may change', () => {
  const lines: string[] = [];
  let least: LogLevel = 'info';
  const all = jsonLog((line) => lines.push(line), new FakeClock());
  const log = atLeast(all, () => least).with({ part: 'x' });
  const said = (level: LogLevel): string[] => {
    least = level;
    lines.length = 0;
    log.info('i');
    log.warn('w');
    log.error('e');
    return lines.map((line) => (JSON.parse(line) as { message: string }).message);
  };
  assert.deepEqual(said('debug'), ['i', 'w', 'e']);
  assert.deepEqual(said('warn'), ['w', 'e']);
  assert.deepEqual(said('error'), ['e']);
  assert.deepEqual(said('none'), []);
  assert.deepEqual(said('info'), ['i', 'w', 'e']);
});
