import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile, rename, stat } from 'node:fs/promises';
import path from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { test } from 'node:test';
import { TerminalSizes } from '#base/standard-streams.ts';
import { createProgram, type RuntimeSetup } from '#agent/runtime/contract-program.ts';
import { RuntimeError } from '#agent/runtime/runtime.ts';

const IDLE = 'setTimeout(() => {}, 1e9)';
/** What the programs here say something with. */
const SAY = `const say = (text) => process.stdout.write(text + '\\n');`;
const node = (script: string): string[] => ['/bin/node', '-e', SAY + script];

/** Takes what is written to it, for a test to look at. */
class Text extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk.toString();
    this.emit('text');
    done();
  }

  /** Resolves when it matches. */
  async until(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.text))
      await once(this, 'text', { signal: AbortSignal.timeout(20_000) }).catch((error: unknown) => {
        throw new Error(`it did not say ${pattern}: ${this.text}`, { cause: error });
      });
  }
}

/** The other half of what every runtime must do: signals, ends, streams, logs, usage. */
export function runtimeStreamsContract(name: string, setup: () => Promise<RuntimeSetup>): void {
  const never = new AbortController().signal;

  test(`${name}: signals by name and by number reach the first process, and nobody who has ended`, async () => {
    await using setting = await setup();
    await using runtime = await setting.open();
    const deaf = await createProgram(runtime, setting, {
      script: `${SAY} process.on('SIGTERM', () => {}).on('SIGUSR1', () => process.exit(5)); say('up'); ${IDLE}`,
    });
    const plain = await createProgram(runtime, setting, {
      script: `${SAY} process.on('SIGTERM', () => process.kill(process.pid, 'SIGKILL')); say('up'); ${IDLE}`,
    });
    for (const id of [deaf, plain]) {
      await runtime.start(id);
      await logged(await setting.bundle(id), /up/);
    }
    await runtime.kill(deaf, 'SIGTERM');
    const states = new Map((await runtime.list()).map(({ id, state }) => [id, state]));
    assert.equal(states.get(deaf), 'running');
    await runtime.kill(deaf, '10');
    assert.equal((await runtime.exited(deaf, never)).exitCode, 5);
    const before = (await stat(await setting.bundle(plain))).birthtime;
    await runtime.kill(plain, 'SIGKILL');
    const exit = await runtime.exited(plain, never);
    assert.equal(exit.exitCode, 128 + 9);
    assert.ok(exit.finishedAt >= before, 'it ended after it was killed');
    await runtime.kill(plain, 'SIGKILL');
    await runtime.kill(plain, '10');
    await assert.rejects(runtime.start(plain), RuntimeError);
    for (const id of [deaf, plain]) await runtime.delete(id);
  });

  test(`${name}: a wait for an end ends with its signal; a container that runs is deleted all the same`, async () => {
    await using setting = await setup();
    await using runtime = await setting.open();
    const id = await createProgram(runtime, setting, { script: IDLE });
    assert.equal(await runtime.usage('never-was'), undefined);
    await runtime.start(id);
    const stop = new AbortController();
    const waiting = runtime.exited(id, stop.signal);
    const outcome = assert.rejects(waiting, /not wanted any more/);
    stop.abort(new Error('not wanted any more'));
    await outcome;
    const used = await runtime.usage(id);
    assert.ok(used && used.cpuNanos > 0 && used.memoryBytes > 0, JSON.stringify(used));
    const pid = await runtime.processOf(id);
    assert.ok(pid !== undefined && process.kill(pid, 0));
    await runtime.delete(id);
    assert.equal(await runtime.usage(id), undefined);
    assert.equal(await runtime.processOf(id), undefined);
    assert.throws(() => process.kill(pid, 0), /ESRCH/);
    assert.deepEqual(await runtime.list(), []);
  });

  test(`${name}: a command has input, both outputs and its own exit code`, async () => {
    await using setting = await setup();
    await using runtime = await setting.open();
    const id = await createProgram(runtime, setting, { script: IDLE });
    await runtime.start(id);
    const terminal = new TerminalSizes();
    const [stdin, stdout, stderr] = [new PassThrough(), new Text(), new Text()];
    const echo = `process.stdin.pipe(process.stdout); process.stderr.write('to stderr\\n'); process.stdin.on('end', () => process.exitCode = 7)`;
    const streams = { stdin, stdout, stderr, terminal };
    const running = runtime.run(id, { args: node(echo), isTerminal: false }, streams, never);
    stdin.write('first ');
    await stdout.until(/first/);
    stdin.end('x'.repeat(1_000_000));
    assert.equal(await running, 7);
    assert.equal(stdout.text, `first ${'x'.repeat(1_000_000)}`);
    assert.equal(stderr.text, 'to stderr\n');
    const absent = new Text();
    const none = { args: ['/bin/absent'], isTerminal: false };
    assert.equal(await runtime.run(id, none, { stderr: absent, terminal }, never), 126);
    assert.match(absent.text, /absent/);
    const much = await runtime.exec(id, node(`process.stdout.write('y'.repeat(1e6))`), never);
    assert.equal(much.exitCode, 0);
    assert.ok(much.output.length < 1e6, 'as much as probes keep');
    await runtime.delete(id);
  });

  test(`${name}: a command on a terminal sees its size, and an abort ends all it has started`, async () => {
    await using setting = await setup();
    await using runtime = await setting.open();
    const id = await createProgram(runtime, setting, { script: IDLE });
    await runtime.start(id);
    const terminal = new TerminalSizes();
    terminal.set({ columns: 99, rows: 11 });
    const stdout = new Text();
    const script = `require('child_process').spawn('/bin/node', ['-e', ${JSON.stringify(IDLE)}], { detached: true });
      const tell = () => say(process.stdout.isTTY + ' ' + process.stdout.getWindowSize().join('x'));
      tell(); process.stdout.on('resize', tell); ${IDLE}`;
    const stop = new AbortController();
    const command = { args: node(script), isTerminal: true };
    const running = runtime.run(id, command, { stdout, terminal }, stop.signal);
    const ended = running.catch(() => undefined);
    await stdout.until(/true 99x11/);
    terminal.set({ columns: 50, rows: 20 });
    await stdout.until(/true 50x20/);
    stop.abort();
    await ended;
    // What has ended and nobody asked about has no command line any more.
    const count = `say(fs.readdirSync('/proc').filter((each) => Number(each) && fs.readFileSync('/proc/' + each + '/cmdline', 'utf8')).length)`;
    assert.equal((await runtime.exec(id, node(count), never)).output, '2\n');
    await runtime.delete(id);
  });

  test(`${name}: a program is fed by one after the other, or once, as it was created to be`, async () => {
    await using setting = await setup();
    await using runtime = await setting.open();
    const script = `${SAY} process.stdin.on('data', (text) => say('got ' + text)).on('end', () => process.exit(3))`;
    const terminal = new TerminalSizes();
    for (const stdin of ['open', 'once'] as const) {
      const id = await createProgram(runtime, setting, { script, stdin });
      await runtime.start(id);
      const bundle = await setting.bundle(id);
      const feed = async (text: string): Promise<void> => {
        const input = new PassThrough();
        input.end(text);
        await runtime.feed(id, { stdin: input, terminal }, never);
        await logged(bundle, new RegExp(`got ${text}`));
      };
      await feed('one');
      if (stdin === 'once') assert.equal((await runtime.exited(id, never)).exitCode, 3);
      else await feed('two');
      await runtime.delete(id);
    }
  });

  test(`${name}: after a log was renamed, what is written goes to a new one, and no line is lost`, async () => {
    await using setting = await setup();
    await using runtime = await setting.open();
    const script = `${SAY} let count = 0; const next = () => { say('line ' + count++); setTimeout(next, 20); }; next()`;
    const id = await createProgram(runtime, setting, { script });
    const bundle = await setting.bundle(id);
    await runtime.start(id);
    await logged(bundle, /line 3$/m);
    await rename(path.join(bundle, 'log'), path.join(bundle, 'log.1'));
    await runtime.reopenLog(id);
    await logged(bundle, /line \d+$/m);
    await runtime.kill(id, 'SIGKILL');
    await runtime.exited(id, never);
    const files = ['log.1', 'log'].map((file) => readFile(path.join(bundle, file), 'utf8'));
    const seen = [...(await Promise.all(files)).join('').matchAll(/line (\d+)/g)];
    assert.deepEqual(
      seen.map(([, number]) => Number(number)),
      seen.map((_, at) => at),
    );
    await runtime.delete(id);
  });
}

/** Resolves when the container's log matches. It is looked at again and again: nobody tells of its growth. */
async function logged(bundle: string, pattern: RegExp): Promise<void> {
  const deadline = AbortSignal.timeout(20_000);
  for (;;) {
    deadline.throwIfAborted();
    const text = await readFile(path.join(bundle, 'log'), 'utf8').catch(() => '');
    if (pattern.test(text)) return;
    await new Promise(setImmediate);
  }
}
