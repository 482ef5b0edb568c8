import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { startCommandShells } from '#base/command-shells.ts';
import { CommandError, runCommand, type CommandOptions } from '#base/command.ts';

async function outcome(
  command: readonly [string, ...string[]],
  options?: CommandOptions,
): Promise<unknown> {
  return await runCommand(command, options).then(
    (stdout) => ({ stdout }),
    (error: unknown) => {
      assert.ok(error instanceof CommandError, String(error));
      return { code: error.code, stderr: error.stderr };
    },
  );
}

const say = (script: string): readonly [string, ...string[]] => ['sh', '-c', script];

test('command shells: a program is told and says the same as when it is started directly', async () => {
  const all: readonly (readonly [readonly [string, ...string[]], CommandOptions?])[] = [
    [['printf', '%s|', 'a b', "it's", '$HOME', '`id`', 'two\nlines', '', '\\', '-n']],
    [['cat'], { input: "first\nEOF\n$HOME 'x'\n" }],
    [['cat'], { input: `${'long '.repeat(40_000)}\n` }],
    [['pwd'], { cwd: '/usr' }],
    [['cat']],
    [say('echo out; echo err >&2; exit 3')],
    [say('printf without-an-end')],
    [say('kill -TERM $$')],
    [say('exit 0')],
    [['head', '-c', '3000000', '/dev/zero']],
  ];
  const direct = [];
  for (const [command, options] of all) direct.push(await outcome(command, options));
  await using _shells = startCommandShells();
  for (const [index, [command, options]] of all.entries()) {
    const found = await outcome(command, options);
    // A shell tells of a signal by a code of its own.
    if (index === 7) assert.deepEqual(found, { code: 143, stderr: 'Terminated\n' });
    else assert.deepEqual(found, direct[index], command.join(' '));
  }
});

test('command shells: many at once each have their own words', async () => {
  await using _shells = startCommandShells();
  const numbers = Array.from({ length: 40 }, (_, index) => String(index));
  const said = await Promise.all(
    numbers.map((number) =>
      runCommand(say(`echo ${number}; [ $((${number} % 2)) = 0 ]`)).catch((error: unknown) =>
        error instanceof CommandError ? `code ${error.code}` : error,
      ),
    ),
  );
  assert.deepEqual(
    said,
    numbers.map((number) => (Number(number) % 2 ? 'code 1' : `${number}\n`)),
  );
});

test('command shells: what takes too long is killed with all it began, and the next goes on', async () => {
  await using _shells = startCommandShells();
  await assert.rejects(runCommand(say('echo begun >&2; sleep 1234321'), { timeoutMs: 300 }), {
    name: 'CommandError',
    code: null,
  });
  const stop = new AbortController();
  const stopped = runCommand(['sleep', '1234321'], { signal: stop.signal });
  stop.abort();
  await assert.rejects(stopped, { name: 'AbortError' });
  assert.equal(await runCommand(['echo', 'next']), 'next\n');
  assert.deepEqual(sleepers(), []);
});

test('command shells: a program that is not there is an error that names it', async () => {
  await using _shells = startCommandShells();
  await assert.rejects(
    runCommand(['no-such-program']),
    /no-such-program: exit code 127: .*not found/,
  );
});

function sleepers(): string[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('sleep\x001234321');
    } catch {
      return false; // It ended meanwhile.
    }
  });
}
