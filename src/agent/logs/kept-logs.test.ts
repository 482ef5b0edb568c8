import assert from 'node:assert/strict';
import { mkdtempDisposable, readFile, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { keepLogs, keptLogs } from '#agent/logs/kept-logs.ts';

const LINE = '2026-01-01T00:00:00.000000000+00:00 stdout F ';

/** Keeps a pod with these logs and returns what is then kept of its ReplicaSet. */
async function keep(
  folder: string,
  { set, uid, texts }: { set: string; uid: string; texts: readonly string[] },
): Promise<string[]> {
  const logs = await Promise.all(
    texts.map(async (text, at) => {
      const file = path.join(folder, `log-${at}`);
      await writeFile(file, text);
      return [`c${at}`, file] as const;
    }),
  );
  const kept = path.join(folder, 'kept');
  await keepLogs(kept, { uid, replicaSet: set, logs });
  const at = Number(/\d+/.exec(uid));
  // Their order is that of their times.
  for (const file of [path.join(kept, set, uid), path.join(kept, set)])
    await utimes(file, at, at).catch(() => undefined);
  return await Promise.all((await keptLogs(kept, set)).map((file) => readFile(file, 'utf8')));
}

test('kept logs: the newest five pods of a ReplicaSet, each container of them, in order', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'knode-kept-'));
  let kept: string[] = [];
  for (const at of [1, 2, 3, 4, 5, 6]) {
    const texts = [`${LINE}a${at}\n`, `${LINE}b${at}\n`];
    kept = await keep(folder.path, { set: 's', uid: `u${at}`, texts });
  }
  const said = kept.map((text) => text.slice(LINE.length).trim());
  assert.deepEqual(said, ['a2', 'b2', 'a3', 'b3', 'a4', 'b4', 'a5', 'b5', 'a6', 'b6']);
});

test('kept logs: of each pod the last 256 KiB, in whole lines', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'knode-kept-'));
  const text = Array.from({ length: 4000 }, (_, at) => `${LINE}${at}`.padEnd(100, '.')).join('\n');
  const [first = '', second = ''] = await keep(folder.path, {
    set: 's',
    uid: 'u1',
    texts: [`${text}\n`, `${LINE}short\n`],
  });
  assert.ok(first.length <= 128 * 1024 && first.length > 127 * 1024, String(first.length));
  assert.ok(first.startsWith(LINE));
  assert.match(first, /3999\.+\n$/);
  assert.equal(second, `${LINE}short\n`);
});

test('kept logs: of a hundred ReplicaSets; of a pod that wrote nothing, nothing', async () => {
  await using folder = await mkdtempDisposable(path.join(tmpdir(), 'knode-kept-'));
  for (let at = 1; at <= 101; at += 1)
    await keep(folder.path, { set: `s${at}`, uid: `u${at}`, texts: [`${LINE}x\n`] });
  const kept = path.join(folder.path, 'kept');
  assert.deepEqual(await keptLogs(kept, 's1'), []);
  assert.equal((await keptLogs(kept, 's2')).length, 1);
  assert.deepEqual(await keep(folder.path, { set: 'silent', uid: 'u200', texts: [''] }), []);
});
