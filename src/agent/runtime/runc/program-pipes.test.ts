import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import { openPipes } from '#agent/runtime/runc/program-pipes.ts';

test('program pipes: a program may open them again, each ends alone, and no file stays', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'knode-pipes-'));
  const pipes = await openPipes(path.join(folder, 'x'), ['in', 'out', undefined]);
  assert.deepEqual(await readdir(folder), []);
  await rm(folder, { recursive: true });
  const [input, output, none] = pipes;
  assert.equal(none, undefined);
  assert.ok(input && output);
  const script = 'echo one >/dev/stdout; cat; exec >&-; read word; exit 3';
  const child = spawn('sh', ['-c', script], { stdio: [input.theirs, output.theirs, 'ignore'] });
  const ended = new Promise((resolve) => child.once('exit', resolve));
  for (const pipe of [input, output]) closeSync(pipe.theirs);
  input.ours.end('two\n');
  assert.equal(await text(output.ours), 'one\ntwo\n');
  assert.equal(await ended, 3);
});
