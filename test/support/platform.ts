import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import http from 'node:http';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';

const ROOT = path.resolve(import.meta.dirname, '../..');

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string;
  /** The clone's root unless told. */
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
  readonly timeoutMs?: number;
}

/** Runs a program to its end and returns all it said; a program that does not end is killed. */
export async function run(
  command: readonly [string, ...string[]],
  options: RunOptions = {},
): Promise<Outcome> {
  const [program, ...args] = command;
  const child = spawn(program, args, {
    cwd: options.cwd ?? ROOT,
    env: options.env ?? process.env,
    timeout: options.timeoutMs ?? 120_000,
    killSignal: 'SIGKILL',
  });
  child.stdin.on('error', () => undefined); // It may end without reading.
  child.stdin.end(options.input);
  const [stdout, stderr, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, stdout, stderr };
}

/** A program that goes on while the test does other things. */
interface BackgroundRun {
  kill(): void;
  /** All it has written so far, once that matches; rejects with it when the program ends first. */
  until(pattern: RegExp): Promise<string>;
}

function inBackground(
  [program, ...args]: readonly [string, ...string[]],
  env: NodeJS.ProcessEnv,
): BackgroundRun {
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const output = new EventEmitter();
  let written = '';
  let hasEnded = false;
  const add = (chunk: Buffer): void => {
    written += chunk.toString();
    output.emit('change');
  };
  child.stdout.on('data', add);
  child.stderr.on('data', add);
  child.once('close', () => {
    hasEnded = true;
    output.emit('change');
  });
  return {
    kill: () => void child.kill(),
    async until(pattern) {
      while (!pattern.test(written)) {
        assert.ok(!hasEnded, `it ended without ${pattern}: ${written}`);
        await once(output, 'change', { signal: AbortSignal.timeout(60_000) });
      }
      return written;
    },
  };
}

/** A home with its own ports, as a person has one. */
export interface Platform extends AsyncDisposable {
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
  readonly ports: readonly string[];
  /** For calls of kubectl that need more than the ones below. */
  readonly kubectlEnv: NodeJS.ProcessEnv;
  readonly kubectlProgram: string;
  /** `./knode ARGS` with this home. */
  knode(...args: string[]): Promise<Outcome>;
  /** A current kubectl with this home's kubeconfig. */
  kubectl(args: readonly string[], options?: { readonly input?: string }): Promise<Outcome>;
  /** The same, left running; the caller ends it. */
  kubectlInBackground(args: readonly string[]): BackgroundRun;
  /** The text of a ready `kubectl` call that must succeed. */
  ok(args: readonly string[], input?: string): Promise<string>;
}

/** A fresh home, in a folder of its own in `work`; nothing is started. */
export function platform(work = process.env['KNODE_TEST_WORK'] ?? tmpdir()): Platform {
  const home = mkdtempSync(path.join(work, 'home-'));
  const env = { ...process.env, KNODE_HOME: home };
  const kubectlEnv = { ...env, KUBECONFIG: path.join(home, 'kubeconfig') };
  const kubectl: Platform['kubectl'] = async (args, options = {}) =>
    await run([kubectlProgram(), ...args], { ...options, env: kubectlEnv });
  return {
    home,
    env,
    kubectlEnv,
    kubectlProgram: kubectlProgram(),
    ports: ['--http-port', '0', '--https-port', '0', '--api-port', '0', '--registry-port', '0'],
    knode: async (...args) => await run(['./knode', ...args], { env }),
    kubectl,
    kubectlInBackground(args) {
      return inBackground([kubectlProgram(), ...args], kubectlEnv);
    },
    async ok(args, input) {
      const outcome = await kubectl(args, input === undefined ? {} : { input });
      assert.equal(outcome.code, 0, `kubectl ${args.join(' ')}: ${outcome.stderr}`);
      return outcome.stdout;
    },
    async [Symbol.asyncDispose]() {
      await run(['./knode', 'down', '--wipe'], { env });
      rmSync(home, { recursive: true, force: true });
    },
  };
}

/** A platform that is up. */
export async function startPlatform(work?: string): Promise<Platform> {
  const it = platform(work);
  const outcome = await it.knode('up', '-d', ...it.ports);
  assert.equal(outcome.code, 0, outcome.stderr);
  return it;
}

/** A current kubectl: KUBECTL, or the one built with Kubernetes itself. */
export function kubectlProgram(): string {
  return process.env['KUBECTL'] ?? path.join(toolsFolder(), 'kubectl');
}

/** Where .ci/run puts the programs that are built from Go modules. */
export function toolsFolder(): string {
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache');
  return path.join(process.env['KUBE_HOME'] ?? path.join(cache, 'real-kubernetes'), 'bin');
}

export interface Answer {
  readonly status: number;
  readonly body: string;
  readonly tookMs: number;
}

/** GETs a Service's URL from the gateway on loopback, over a fresh connection unless an agent keeps some. */
export async function call(
  url: string,
  target = '/',
  agent: http.Agent | false = false,
): Promise<Answer> {
  const { host, port } = new URL(url);
  const startMs = performance.now();
  const request = http.get({
    host: '127.0.0.1',
    port: port === '' ? 80 : Number(port),
    path: target,
    headers: { host },
    agent,
    timeout: 30_000,
  });
  request.once('timeout', () => request.destroy(new Error('no answer within 30 s')));
  const [response] = (await once(request, 'response')) as [http.IncomingMessage];
  const body = await text(response);
  return { status: response.statusCode ?? 0, body, tookMs: performance.now() - startMs };
}

/** The process id of a part, as its record says. */
export function pidOf(home: string, part: string): number {
  const record = JSON.parse(readFileSync(path.join(home, 'run', `${part}.json`), 'utf8')) as {
    pid: number;
  };
  return record.pid;
}
