import assert from 'node:assert/strict';
import { mkdtempDisposable, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { readLog } from '#agent/logs/container-log.ts';
import { startOfTail } from '#agent/logs/log-tail.ts';

/** Each word is what a program wrote at once; one that ends with `+` does not end its line. */
function records(...words: readonly string[]): string {
  const lines = words.map((word) => {
    const isPart = word.endsWith('+');
    const text = isPart ? word.slice(0, -1) : word;
    return `2026-01-01T00:00:00.000000000+00:00 stdout ${isPart ? 'P' : 'F'} ${text}\n`;
  });
  return lines.join('');
}

/** What the last `lines` lines are, where `files` are oldest first. */
async function tail(lines: number, files: readonly string[]): Promise<string> {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'knode-tail-'));
  const file = path.join(folder.path, 'log');
  const newest = files.length - 1;
  // Numbers go on after the oldest files have gone.
  for (const [at, text] of files.entries())
    await writeFile(at === newest ? file : `${file}.${at + 7}`, text);
  let found = '';
  for await (const some of readLog(file, { from: await startOfTail(file, lines) }))
    found += some.map(({ text }) => text).join('');
  return found;
}

test('log tail: the last lines, whatever they were written in', async () => {
  assert.equal(await tail(2, [records('a', 'b', 'c')]), 'b\nc\n');
  assert.equal(await tail(3, [records('a', 'b', 'c')]), 'a\nb\nc\n');
  assert.equal(await tail(9, [records('a', 'b', 'c')]), 'a\nb\nc\n');
  assert.equal(await tail(0, [records('a', 'b', 'c')]), '');
  assert.equal(await tail(1, [records('a', 'b+', 'c+', 'd')]), 'bcd\n');
  assert.equal(await tail(1, [records('a', 'b+')]), 'b');
  assert.equal(await tail(1, ['']), '');
});

test('log tail: goes on in older files', async () => {
  const files = [records('a', 'b'), records('c', 'd+'), records('e', 'f')];
  assert.equal(await tail(1, files), 'f\n');
  assert.equal(await tail(2, files), 'de\nf\n');
  assert.equal(await tail(3, files), 'c\nde\nf\n');
  assert.equal(await tail(4, files), 'b\nc\nde\nf\n');
  assert.equal(await tail(2, [records('a', 'b'), '']), 'a\nb\n');
});

test('log tail: lines that are longer than what is read at once', async () => {
  const long = 'x'.repeat(200_000);
  assert.equal(await tail(1, [records('a', long)]), `${long}\n`);
  assert.equal(await tail(2, [records('a', 'b', long)]), `b\n${long}\n`);
});

test('log tail: a line that is being written does not count yet', async () => {
  assert.equal(await tail(1, [`${records('a', 'b')}2026-01-01T00:00:00`]), 'b\n');
});
