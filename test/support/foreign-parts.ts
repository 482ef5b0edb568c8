import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { pathsOf } from '#supervisor/settings.ts';

const MAIN = path.resolve(import.meta.dirname, '../../src/main.ts');
const READY_WITHIN_MS = 30_000;

export type PartName = 'controllers' | 'webhook' | 'gateway';

/** A part as a process of its own, for a Kubernetes that is not ours. */
interface ForeignPart extends AsyncDisposable {
  /** Resolves when it has said so; rejects with all that it said where it ends, or says nothing of it for a minute. */
  heard(message: string): Promise<void>;
  kill(signal: NodeJS.Signals): Promise<void>;
}

export interface ForeignParts extends AsyncDisposable {
  /** Where the controllers hear of requests, once they lead. */
  readonly measurementSocket: string;
  /** `knode run PART --kubeconfig …`; resolves when it is ready. */
  start(part: PartName, ...flags: readonly string[]): Promise<ForeignPart>;
  /** What any of them logged as an error, or may not do as who it is: each once, without its time. */
  complaints(): readonly string[];
}

/** Parts with one home, which is removed with them; each as who its kubeconfig says, or all as one. */
export async function foreignParts(
  kubeconfig: string | Readonly<Record<PartName, string>>,
): Promise<ForeignParts> {
  await using resources = new AsyncDisposableStack();
  const home = await mkdtemp(path.join(tmpdir(), 'knode-'));
  resources.defer(async () => await rm(home, { recursive: true, force: true }));
  const owned = resources.move();
  const lines: string[] = [];
  return {
    measurementSocket: pathsOf(home).measurementSocket,
    complaints() {
      const found = lines.filter((line) => /"level":"error"|cannot \w+ resource/.test(line));
      return [...new Set(found.map((line) => line.replace(/^.*?,/, '').slice(0, 500)))];
    },
    async start(part, ...flags) {
      const file = path.join(home, `${part}.kubeconfig`);
      const text = typeof kubeconfig === 'string' ? kubeconfig : kubeconfig[part];
      await writeFile(file, text, { mode: 0o600 });
      const started = owned.use(
        startPart(home, [part, '--kubeconfig', file, '--address', nodeAddress(), ...flags], lines),
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

function startPart(home: string, args: readonly string[], lines: string[]): ForeignPart {
  const child = spawn(process.execPath, [MAIN, 'run', ...args], {
    env: { ...process.env, KNODE_HOME: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit');
  let said = '';
  let heard = Promise.withResolvers<void>();
  const hear = (line: string): void => {
    said += `${line}\n`;
    lines.push(line);
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
