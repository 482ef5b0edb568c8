import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';

const MAIN = path.resolve(import.meta.dirname, '../../src/main.ts');
const READY_WITHIN_MS = 30_000;

type PartName = 'controllers' | 'webhook' | 'gateway';

/** A part as a process of its own, for a Kubernetes that is not ours. */
interface ForeignPart extends AsyncDisposable {
  /** Resolves when it has said so; rejects with all that it said where it ends, or says nothing of it for a minute. */
  heard(message: string): Promise<void>;
  kill(signal: NodeJS.Signals): Promise<void>;
}

export interface ForeignParts extends AsyncDisposable {
  /** `knode run PART --kubeconfig …`; resolves when it is ready. */
  start(part: PartName, ...flags: readonly string[]): Promise<ForeignPart>;
}

/** Parts with one home, which is removed with them. */
export async function foreignParts(kubeconfig: string): Promise<ForeignParts> {
  await using resources = new AsyncDisposableStack();
  const home = await mkdtemp(path.join(tmpdir(), 'knode-'));
  resources.defer(async () => await rm(home, { recursive: true, force: true }));
  const file = path.join(home, 'foreign.kubeconfig');
  await writeFile(file, kubeconfig, { mode: 0o600 });
  const owned = resources.move();
  return {
    async start(part, ...flags) {
      const started = owned.use(
        startPart(home, [part, '--kubeconfig', file, '--address', nodeAddress(), ...flags]),
      );
      await started.heard('ready');
      return started;
    },
    [Symbol.asyncDispose]: async () => await owned.disposeAsync(),
  };
}

/** Of this machine, as pods of a cluster on it reach it. */
function nodeAddress(): string {
  const found = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal);
  assert.ok(found, 'this machine has no address beside loopback');
  return found.address;
}

function startPart(home: string, args: readonly string[]): ForeignPart {
  const child = spawn(process.execPath, [MAIN, 'run', ...args], {
    env: { ...process.env, KNODE_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit');
  let said = '';
  let heard = Promise.withResolvers<void>();
  const hear = (line: string): void => {
    said += `${line}\n`;
    heard.resolve();
    heard = Promise.withResolvers();
  };
  for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', hear);
  const kill = async (signal: NodeJS.Signals): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await ended;
  };
  return {
    async heard(message) {
      const late = AbortSignal.timeout(READY_WITHIN_MS);
      const isOver = Promise.race([ended, once(late, 'abort')]).then(() => {
        assert.fail(`${args.join(' ')} said no "${message}": ${said}`);
      });
      isOver.catch(() => undefined);
      const isHeard = (): boolean =>
        said.split('\n').some((line) => line.includes(`"message":"${message}"`));
      while (!isHeard()) await Promise.race([heard.promise, isOver]);
    },
    kill,
    [Symbol.asyncDispose]: async () => await kill('SIGTERM'),
  };
}
