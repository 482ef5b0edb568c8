import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { temporaryFolder } from '#test/support/image-fixture.ts';
import { terminationMessage } from '#agent/pods/termination-message.ts';

const AT = '2026-11-22T01:30:44.123456789+00:00 stdout';
const fallback = {
  name: 'main',
  terminationMessagePolicy: 'FallbackToLogsOnError',
} as const;

async function messageOf(
  files: Readonly<Record<string, string>>,
  { exitCode = 1, container = fallback }: { exitCode?: number; container?: { name: string } } = {},
): Promise<string | undefined> {
  await using folder = await temporaryFolder();
  for (const [name, text] of Object.entries(files))
    await writeFile(path.join(folder.path, name), text);
  return await terminationMessage(container, folder.path, exitCode);
}

const lines = (count: number, text = ''): string =>
  Array.from({ length: count }, (_, at) => `${AT} F ${at + 1}${text}\n`).join('');

test('last words: the file first, its last 4 KiB', async () => {
  assert.equal(await messageOf({ 'termination-log': 'why', log: lines(1) }), 'why');
  assert.equal(await messageOf({ 'termination-log': `a${'b'.repeat(4096)}` }), 'b'.repeat(4096));
});

test('last words: the log’s, of who failed and asks for it', async () => {
  assert.equal(await messageOf({ log: lines(2) }), '1\n2\n');
  assert.equal(await messageOf({ log: lines(2) }, { exitCode: 0 }), undefined);
  assert.equal(await messageOf({ log: lines(2) }, { container: { name: 'main' } }), undefined);
  assert.equal(await messageOf({}), undefined);
});

test('last words: eighty lines, also from the file before, and 2 KiB of them', async () => {
  const eighty = await messageOf({ log: lines(200) });
  assert.deepEqual([eighty?.split('\n').length, eighty?.split('\n')[0]], [81, '121']);
  const both = await messageOf({ 'log.3': lines(100), log: lines(2) });
  assert.deepEqual([both?.split('\n').length, both?.slice(0, 2)], [81, '23']);
  const wide = await messageOf({ log: lines(90, 'x'.repeat(100)) });
  assert.equal(wide?.length, 2048);
});

test('last words: of what never ended its line, and of letters of more than a byte', async () => {
  const record = `${AT} P ${'ü'.repeat(4096)}\n`;
  const log = Buffer.from(record.repeat(3)).toString();
  assert.equal(await messageOf({ log }), 'ü'.repeat(1024));
});
