import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { askSupervisor } from './ask-supervisor.ts';
import type { PartStatus } from './report.ts';
import { pathsOf, type Settings } from './settings.ts';
import { CannotStart, Supervisor } from './supervisor.ts';

/** A real process that reports to its supervisor as the platform's parts do, until it is told to stop. */
const PART = `
import { systemClock } from ${JSON.stringify(new URL('../base/clock.ts', import.meta.url).href)};
import { reportToSupervisor } from ${JSON.stringify(new URL('./part-reporter.ts', import.meta.url).href)};
const [socket, settings, message] = process.argv.slice(2);
const reporter = reportToSupervisor({ socket, name: 'part', settings, clock: systemClock });
if (message) await reporter.failed(message);
else reporter.ready();
process.on('SIGTERM', () => process.exit(0));
setTimeout(() => process.exit(3), 60_000);
`;

/** A supervisor in a process of its own, so that it can be killed; says when its part is ready. */
const SUPERVISOR = `
import { systemClock } from ${JSON.stringify(new URL('../base/clock.ts', import.meta.url).href)};
import { silentLog } from ${JSON.stringify(new URL('../base/log.ts', import.meta.url).href)};
import { Supervisor } from ${JSON.stringify(new URL('./supervisor.ts', import.meta.url).href)};
const [settings, ...command] = process.argv.slice(2);
const supervisor = await Supervisor.start({
  settings: JSON.parse(settings),
  parts: [{ name: 'part', command }],
  clock: systemClock,
  log: silentLog,
});
await supervisor.ready();
process.stdout.write(JSON.stringify(supervisor.status[0]));
`;

interface Bench extends AsyncDisposable {
  readonly settings: Settings;
  readonly command: readonly [string, ...string[]];
  readonly start: (message?: string) => Promise<Supervisor>;
  readonly until: (isTrue: (part: PartStatus) => boolean) => Promise<PartStatus>;
}

function bench(): Bench {
  const home = mkdtempSync(path.join(tmpdir(), 'knode-supervisor-'));
  const settings: Settings = {
    home,
    nodeName: 'node',
    httpPort: 0,
    httpsPort: 0,
    apiPort: 0,
    registryPort: 0,
    listen: [],
  };
  const script = path.join(home, 'part.mjs');
  writeFileSync(script, PART);
  const started: Supervisor[] = [];
  const waiting = new Set<() => void>();
  let newest: PartStatus | undefined;
  const until: Bench['until'] = async (isTrue) => {
    for (;;) {
      if (newest && isTrue(newest)) return newest;
      const { promise, resolve } = Promise.withResolvers<void>();
      waiting.add(resolve);
      await promise;
    }
  };
  const start: Bench['start'] = async (message = '') => {
    const socket = pathsOf(home).supervisorSocket;
    const args = [socket, JSON.stringify(settings), message] as const;
    const supervisor = await Supervisor.start({
      settings,
      parts: [{ name: 'part', command: [process.execPath, script, ...args] }],
      clock: systemClock,
      log: silentLog,
      onChange: ([part]) => {
        newest = part;
        for (const wake of waiting) wake();
        waiting.clear();
      },
    });
    started.push(supervisor);
    return supervisor;
  };
  return {
    settings,
    command: [
      process.execPath,
      script,
      pathsOf(home).supervisorSocket,
      JSON.stringify(settings),
      '',
    ],
    start,
    until,
    async [Symbol.asyncDispose]() {
      for (const supervisor of started) await supervisor.stop();
      rmSync(home, { recursive: true, force: true });
    },
  };
}

test('supervisor: starts a part, and a killed part again', async () => {
  await using b = bench();
  const supervisor = await b.start();
  await supervisor.ready();
  const first = await b.until((part) => part.state === 'ready');
  process.kill(first.pid ?? 0, 'SIGKILL');
  const second = await b.until((part) => part.state === 'ready' && part.pid !== first.pid);
  assert.equal(second.restarts, 1);
});

test('supervisor: answers what runs, and stops when asked', async () => {
  await using b = bench();
  const supervisor = await b.start();
  await supervisor.ready();
  const { supervisorSocket } = pathsOf(b.settings.home);
  const status = await askSupervisor(supervisorSocket, { type: 'status' });
  assert.deepEqual(
    status?.parts.map(({ name, state }) => ({ name, state })),
    [{ name: 'part', state: 'ready' }],
  );
  await askSupervisor(supervisorSocket, { type: 'stop' });
  await supervisor.ended();
  assert.equal(await askSupervisor(supervisorSocket, { type: 'status' }), undefined);
});

test('supervisor: a second one on the same home is refused', async () => {
  await using b = bench();
  await b.start();
  await assert.rejects(b.start(), CannotStart);
});

test('supervisor: a part that cannot start says why', async () => {
  await using b = bench();
  const supervisor = await b.start('the store is damaged');
  await assert.rejects(supervisor.ready(), new CannotStart('the store is damaged'));
});

test('supervisor: a part that ends again and again before it is ready ends the wait', async () => {
  await using b = bench();
  const { logs } = pathsOf(b.settings.home);
  mkdirSync(logs, { recursive: true });
  writeFileSync(path.join(logs, 'part.log'), Buffer.alloc(17 * 1024 * 1024));
  writeFileSync(path.join(b.settings.home, 'part.mjs'), 'process.exit(4)');
  const supervisor = await b.start();
  await assert.rejects(supervisor.ready(), /part ended 6 times .*code 4; .*part\.log says more/);
  assert.deepEqual(readdirSync(logs), ['part.log', 'part.log.1']);
  assert.equal(statSync(path.join(logs, 'part.log')).size, 0);
});

test('supervisor: a stop ends the wait for a part that is not ready yet', async () => {
  await using b = bench();
  writeFileSync(path.join(b.settings.home, 'part.mjs'), 'setTimeout(() => {}, 60_000)');
  const supervisor = await b.start();
  await askSupervisor(pathsOf(b.settings.home).supervisorSocket, { type: 'stop' });
  await assert.rejects(supervisor.ready(), /told to stop before it was ready/);
});

test('supervisor: adopts the part that outlived a killed one', async () => {
  await using b = bench();
  const script = path.join(b.settings.home, 'supervisor.mjs');
  writeFileSync(script, SUPERVISOR);
  const killed = spawn(process.execPath, [script, JSON.stringify(b.settings), ...b.command], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [text] = (await once(killed.stdout, 'data')) as [Buffer];
  const before = JSON.parse(text.toString()) as PartStatus;
  killed.kill('SIGKILL');
  await once(killed, 'exit');
  const supervisor = await b.start();
  await supervisor.ready();
  assert.equal(supervisor.status[0]?.pid, before.pid);
  assert.equal(supervisor.status[0]?.restarts, 0);
});

test('supervisor: a part whose record cannot be written runs, once, and is started again when it ends', async () => {
  await using b = bench();
  const record = pathsOf(b.settings.home).processRecord('part');
  // Nothing can be written there, as on a full disk.
  mkdirSync(`${record}.tmp-${process.pid}`, { recursive: true });
  const supervisor = await b.start();
  await supervisor.ready();
  const first = await b.until((part) => part.state === 'ready');
  process.kill(first.pid ?? 0, 'SIGKILL');
  const second = await b.until((part) => part.state === 'ready' && part.pid !== first.pid);
  assert.equal(second.restarts, 1);
});

test('supervisor: ends a part that nobody knows of, and what it says is not taken for the word of the known one', async () => {
  await using b = bench();
  const supervisor = await b.start();
  await supervisor.ready();
  const [known] = supervisor.status;
  const [program, ...args] = b.command;
  const stranger = spawn(program, args, { stdio: 'ignore' });
  const [, signal] = (await once(stranger, 'exit')) as [number | null, NodeJS.Signals | null];
  assert.equal(signal, 'SIGKILL');
  assert.deepEqual(supervisor.status, [known]);
});
