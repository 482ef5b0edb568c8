import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { systemClock } from '#base/clock.ts';
import {
  CommandError,
  COMMAND_MS,
  setCommandRunner,
  spawnCommand,
  type CommandOptions,
  type CommandRunner,
} from '#base/command.ts';

/** More at once are started by this process itself. */
const SHELLS_MAX = 8;
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024;

/**
 * From now on until it is disposed of, `runCommand` has shells that stay start its programs. To start one, a process is
 * copied first: for this one that takes 10 ms and more in which nothing else happens, for a shell of half a megabyte none
 * that we wait for.
 */
export function startCommandShells(): AsyncDisposable {
  const shells = new CommandShells();
  const before = setCommandRunner((command, options) => shells.run(command, options));
  return {
    async [Symbol.asyncDispose]() {
      setCommandRunner(before);
      await shells[Symbol.asyncDispose]();
    },
  };
}

class CommandShells implements AsyncDisposable {
  readonly #idle: Shell[] = [];
  readonly #all = new Set<Shell>();

  readonly run: CommandRunner = async (command, options) => {
    const { input = '', env, signal } = options;
    const isPlain = env === undefined && typeof input === 'string';
    const shell = isPlain ? this.#take() : undefined;
    if (!shell) return await spawnCommand(command, options);
    signal?.throwIfAborted();
    const outcome = await shell.run(command, options);
    if (shell.isAlive) this.#idle.push(shell);
    else this.#all.delete(shell);
    signal?.throwIfAborted();
    if (outcome.code !== 0) throw new CommandError(command, outcome.code, outcome.stderr);
    return outcome.stdout;
  };

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#all].map((shell) => shell.end()));
  }

  #take(): Shell | undefined {
    for (let shell = this.#idle.pop(); shell; shell = this.#idle.pop()) {
      if (shell.isAlive) return shell;
      this.#all.delete(shell);
    }
    if (this.#all.size >= SHELLS_MAX) return undefined;
    const shell = new Shell();
    this.#all.add(shell);
    return shell;
  }
}

interface Outcome {
  /** Null where it was killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** One shell, which runs one command after another: it reads them, and marks where the output of each ends. */
class Shell {
  readonly #child: ChildProcess;
  /** Nobody else knows it, so no program says it. */
  readonly #mark = randomUUID();
  readonly #ended: Promise<void>;
  #hasEnded = false;

  constructor() {
    // A group of its own: to kill it is to kill what it runs, and Ctrl-C is not for it. It ends with our end of its stdin.
    this.#child = spawn('/bin/sh', [], { stdio: ['pipe', 'pipe', 'pipe'], detached: true });
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#ended = promise;
    const onEnd = (): void => {
      this.#hasEnded = true;
      resolve();
    };
    this.#child.once('close', onEnd);
    this.#child.once('error', onEnd);
    this.#child.stdin?.on('error', () => undefined); // Its end says what matters.
  }

  get isAlive(): boolean {
    return !this.#hasEnded;
  }

  /** Not while another command runs. */
  async run(command: readonly string[], options: CommandOptions): Promise<Outcome> {
    const { timeoutMs = COMMAND_MS, signal } = options;
    const stdout = new Marked(this.#child.stdout, this.#mark);
    const stderr = new Marked(this.#child.stderr, this.#mark);
    const kill = (): void => this.#kill();
    using _limit = systemClock.after(timeoutMs, kill);
    signal?.addEventListener('abort', kill, { once: true });
    try {
      this.#child.stdin?.write(scriptOf(command, { ...options, mark: this.#mark }));
      await Promise.race([Promise.all([stdout.whole, stderr.whole]), this.#ended]);
      const { said } = stdout;
      return {
        code: said === undefined ? null : Number(said),
        stdout: stdout.text(),
        stderr: stderr.text(),
      };
    } finally {
      signal?.removeEventListener('abort', kill);
      stdout[Symbol.dispose]();
      stderr[Symbol.dispose]();
    }
  }

  async end(): Promise<void> {
    this.#child.stdin?.end();
    await this.#ended;
  }

  #kill(): void {
    const { pid } = this.#child;
    if (pid === undefined || this.#hasEnded) return;
    try {
      process.kill(-pid, 'SIGKILL');
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
    }
  }
}

/** What a stream brings until the mark. */
class Marked implements Disposable {
  readonly whole: Promise<void>;
  readonly #stream: NodeJS.ReadableStream | null;
  readonly #pattern: RegExp;
  readonly #onData: (chunk: Buffer) => void;
  #text: Buffer = Buffer.alloc(0);
  #said: string | undefined;

  constructor(stream: NodeJS.ReadableStream | null, mark: string) {
    this.#stream = stream;
    this.#pattern = new RegExp(`\\n${mark} (\\d*)\\n$`);
    const { promise, resolve } = Promise.withResolvers<void>();
    this.whole = promise;
    this.#onData = (chunk) => {
      this.#text = Buffer.concat([this.#text, chunk]);
      const found = this.#pattern.exec(this.#text.subarray(-MARK_LENGTH_MAX).toString('latin1'));
      if (found) {
        this.#said = found[1];
        this.#text = this.#text.subarray(0, -found[0].length);
        resolve();
      } else if (this.#text.length > OUTPUT_BYTES_MAX)
        this.#text = this.#text.subarray(-OUTPUT_BYTES_MAX);
    };
    stream?.on('data', this.#onData);
  }

  get said(): string | undefined {
    return this.#said;
  }

  text(): string {
    return this.#text.toString('utf8');
  }

  [Symbol.dispose](): void {
    this.#stream?.removeListener('data', this.#onData);
  }
}

/** A new line, the mark, a blank, an exit code, a new line. */
const MARK_LENGTH_MAX = 64;

/** The command with every word quoted and its input in whole lines; its exit code after the mark on stdout, the mark alone on stderr. */
function scriptOf(
  command: readonly string[],
  { input, cwd, mark }: Pick<CommandOptions, 'input' | 'cwd'> & { readonly mark: string },
): string {
  const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;
  const change = cwd === undefined ? '' : `cd ${quoted(cwd)} && `;
  // `exec`: a program, also where the shell has something of that name itself.
  const program = `(${change}exec ${command.map(quoted).join(' ')})`;
  const text = String(input);
  const stdin =
    input === undefined
      ? '</dev/null\n'
      : `<<'${mark}'\n${text}${text.endsWith('\n') ? '' : '\n'}${mark}\n`;
  return `${program} ${stdin}printf '\\n${mark} %s\\n' "$?"; printf '\\n${mark} \\n' >&2\n`;
}
