import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { ociSpec } from '#agent/oci/oci-spec.ts';
import { createProgram, type RuntimeSetup } from '#agent/runtime/contract-program.ts';
import { RuntimeError, type Runtime } from '#agent/runtime/runtime.ts';

/** What every runtime must do; `setup` is called once a test. */
export function runtimeContract(name: string, setup: () => Promise<RuntimeSetup>): void {
  const never = new AbortController().signal;

  function create(runtime: Runtime, setting: RuntimeSetup, script: string): Promise<string> {
    return createProgram(runtime, setting, { script });
  }

  test(`${name}: runs a program and keeps its exit code and output`, async () => {
    await using setting = await setup();
    await using runtime = await setting.open();
    const id = await create(runtime, setting, 'process.stdout.write("hello\\n"); process.exit(3)');
    assert.deepEqual(await runtime.list(), [{ id, state: 'created' }]);
    await runtime.start(id);
    const exit = await runtime.exited(id, never);
    assert.equal(exit.exitCode, 3);
    assert.equal(exit.isOomKilled, false);
    const log = await readFile(path.join(await setting.bundle(id), 'log'), 'utf8');
    assert.match(log, /^\S+ stdout F hello$/m);
    await runtime.delete(id);
    assert.deepEqual(await runtime.list(), []);
  });

  test(`${name}: what is frozen does nothing until it is thawed, and is deleted all the same`, async () => {
    await using setting = await setup();
    await using runtime = await setting.open();
    const id = await create(runtime, setting, 'setTimeout(() => {}, 1e6)');
    await runtime.start(id);
    await runtime.freeze(id);
    assert.deepEqual(await runtime.list(), [{ id, state: 'running' }]);
    const first = await runtime.usage(id);
    const second = await runtime.usage(id);
    assert.equal(second?.cpuNanos, first?.cpuNanos);
    await runtime.thaw(id);
    await runtime.thaw(id);
    await runtime.kill(id, 'SIGKILL');
    assert.equal((await runtime.exited(id, never)).exitCode, 137);
    await runtime.delete(id);
    const other = await create(runtime, setting, 'setTimeout(() => {}, 1e6)');
    await runtime.start(other);
    await runtime.freeze(other);
    await runtime.delete(other);
    assert.deepEqual(await runtime.list(), []);
    await runtime.thaw(other);
  });

  test(`${name}: a later process adopts what runs, and hears what ended meanwhile`, async () => {
    await using setting = await setup();
    let id = '';
    let ended = '';
    {
      await using first = await setting.open();
      id = await create(first, setting, 'setTimeout(() => {}, 1e9)');
      ended = await create(first, setting, 'process.exit(7)');
      await first.start(id);
      await first.start(ended);
      await first.exited(ended, never);
    }
    await using second = await setting.open();
    const known = new Map((await second.list()).map((each) => [each.id, each.state]));
    assert.equal(known.get(id), 'running');
    assert.equal(known.get(ended), 'stopped');
    assert.equal((await second.exited(ended, never)).exitCode, 7);
    await second.kill(id, 'SIGKILL');
    assert.equal((await second.exited(id, never)).exitCode, 137);
    await second.kill(id, 'SIGTERM');
    await second.delete(id);
    await second.delete(ended);
    await second.delete('never-was');
  });

  test(`${name}: says why a program cannot be run, and leaves nothing`, async () => {
    await using setting = await setup();
    await using runtime = await setting.open();
    const id = 'contract-missing';
    const bundle = await setting.bundle(id);
    const spec = ociSpec({
      args: ['/bin/absent'],
      env: [],
      cwd: '/',
      hostname: 'x',
      isRootReadOnly: false,
      mayGainPrivileges: false,
      capabilities: [],
      resources: {},
      mounts: [],
      user: { uid: 0, gid: 0, additionalGids: [] },
      joined: { network: setting.networkNamespace },
      cgroupsPath: runtime.cgroupsPathOf(id),
    });
    await assert.rejects(
      runtime.create({ id, bundle, spec, logFile: path.join(bundle, 'log') }),
      (error) => error instanceof RuntimeError && /no such file|not found/.test(error.message),
    );
    assert.deepEqual(await runtime.list(), []);
  });

  test(`${name}: names what the kernel killed for want of memory`, async () => {
    await using setting = await setup();
    await using runtime = await setting.open();
    const hungry = 'const all = []; for (;;) all.push(Buffer.alloc(1e7, 1))';
    const id = await create(runtime, setting, hungry);
    await runtime.start(id);
    const exit = await runtime.exited(id, never);
    assert.equal(exit.isOomKilled, true);
    assert.equal(exit.exitCode, 137);
    await runtime.delete(id);
  });

  test(`${name}: a command that takes too long is ended, and all of it`, async () => {
    await using setting = await setup();
    await using runtime = await setting.open();
    const id = await create(runtime, setting, 'setTimeout(() => {}, 1e9)');
    await runtime.start(id);
    const waits = ['/bin/node', '-e', 'setTimeout(() => {}, 1e9)'];
    const late = await runtime.exec(id, waits, AbortSignal.timeout(300));
    assert.equal(late.exitCode, undefined);
    const count = 'fs.readdirSync("/proc").filter((name) => Number(name)).length';
    const left = await runtime.exec(id, ['/bin/node', '-p', count], never);
    assert.deepEqual(left, { exitCode: 0, output: '2\n' });
    await runtime.delete(id);
  });

  test(`${name}: what somebody left in the middle of a delete is broken, and good for another delete only`, async () => {
    await using setting = await setup();
    await using runtime = await setting.open();
    const id = await create(runtime, setting, 'setTimeout(() => {}, 1e9)');
    await runtime.start(id);
    await setting.interruptDelete(id);
    await using later = await setting.open();
    assert.deepEqual(await later.list(), [{ id, state: 'broken' }]);
    await assert.rejects(later.start(id), RuntimeError);
    await later.kill(id, 'SIGTERM');
    assert.equal(await later.processOf(id), undefined);
    assert.equal(await later.usage(id), undefined);
    await later.delete(id);
    assert.deepEqual(await later.list(), []);
  });

  test(`${name}: a container deleted before its start cannot be started`, async () => {
    await using setting = await setup();
    await using runtime = await setting.open();
    const id = await create(runtime, setting, '0');
    await runtime.delete(id);
    await assert.rejects(runtime.start(id), RuntimeError);
    assert.deepEqual(await runtime.list(), []);
  });
}
