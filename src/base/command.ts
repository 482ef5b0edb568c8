import { spawn } from 'node:child_process';

export interface CommandOptions {
  readonly input?: string | Uint8Array;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** The program is killed after this long; COMMAND_MS unless told. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** A program that ended with another code than 0, with what it said. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly code: number | null;
  readonly stderr: string;
  constructor(command: readonly string[], code: number | null, stderr: string) {
    super(`${command.join(' ')}: exit code ${code}: ${stderr.trim() || 'no message'}`);
    this.code = code;
    this.stderr = stderr;
  }
}

/** Longest a command takes that says nothing else. */
export const COMMAND_MS = 30_000;
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

export type CommandRunner = (
  command: readonly [string, ...string[]],
  options: CommandOptions,
) => Promise<string>;

let runner: CommandRunner = spawnCommand;

/** For command-shells.ts: how this process starts programs. Returns how it did before. */
export function setCommandRunner(next: CommandRunner): CommandRunner {
  const before = runner;
  runner = next;
  return before;
}

/** Runs a program to its end and returns its stdout. Throws CommandError, or the spawn's own error. */
export async function runCommand(
  command: readonly [string, ...string[]],
  options: CommandOptions = {},
): Promise<string> {
  return await runner(command, options);
}

/** The same, started by this process itself. */
export async function spawnCommand(
  command: readonly [string, ...string[]],
  options: CommandOptions,
): Promise<string> {
  const [program, ...args] = command;
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? COMMAND_MS,
    killSignal: 'SIGKILL',
    ...(options.env && { env: options.env }),
    ...(options.cwd && { cwd: options.cwd }),
    ...(options.signal && { signal: options.signal }),
  });
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  // A program that does not read its input closes the pipe early; its exit code says what matters.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input);
  const { promise, resolve, reject } = Promise.withResolvers<number | null>();
  child.once('error', reject);
  child.once('close', resolve);
  const code = await promise;
  if (code !== 0) throw new CommandError(command, code, stderr());
  return stdout();
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  let size = 0;
  stream.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size <= OUTPUT_BYTES_MAX) chunks.push(chunk);
  });
  return () => Buffer.concat(chunks).toString('utf8');
}
