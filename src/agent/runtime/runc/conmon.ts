import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { RuntimeError } from '#agent/runtime/runtime.ts';

export interface ConmonOptions {
  readonly id: string;
  readonly bundle: string;
  readonly logFile: string;
  readonly isTerminal: boolean;
  readonly stdin: 'none' | 'open' | 'once';
  /** Absolute paths of the programs. */
  readonly conmon: string;
  readonly runc: string;
  readonly stateFolder: string;
  readonly exitFolder: string;
  readonly socketFolder: string;
}

/** Programs are looked for here only: what the environment says is not the platform's. */
export const PROGRAM_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
/**
 * What bounds a log while nobody rotates it: after each so many bytes it begins anew. conmon counts through rotations, and
 * what it drops then is the newest file, so the bound is far above what is ever kept.
 */
const LOG_BYTES_MAX = 1024 * 1024 * 1024;
/** conmon and runc together take 50 ms; a machine that is very busy, seconds. */
const CREATE_TIMEOUT_MS = 60_000;
const REPORT_BYTES_MAX = 64 * 1024;

/**
 * Has conmon create the container and stay its parent: it keeps the log and the exit code when this process is gone. It
 * reports on file descriptor 3 (`_OCI_SYNCPIPE`): the first process's pid, or what runc said. Throws RuntimeError.
 */
export async function createUnderConmon(options: ConmonOptions): Promise<void> {
  const { id, bundle, logFile, runc, stateFolder, exitFolder, socketFolder } = options;
  const { isTerminal, stdin } = options;
  const args = [
    '-c',
    id,
    '-u',
    id,
    '-n',
    id,
    '-b',
    bundle,
    '-r',
    runc,
    `--runtime-arg=--root=${stateFolder}`,
    '-p',
    `${bundle}/pid`,
    '-P',
    `${bundle}/conmon.pid`,
    '-l',
    `k8s-file:${logFile}`,
    `--log-size-max=${LOG_BYTES_MAX}`,
    '--no-sync-log',
    '--exit-dir',
    exitFolder,
    '--socket-dir-path',
    socketFolder,
    '--log-level',
    'error',
    ...(isTerminal ? ['-t'] : []),
    ...(stdin === 'none' ? [] : ['-i']),
    ...(stdin === 'open' ? ['--leave-stdin-open'] : []),
  ];
  const child = spawn(options.conmon, args, {
    // It leaves a file `oom` where it is.
    cwd: bundle,
    // Times of the log are in UTC then, so that their text has their order.
    env: { PATH: PROGRAM_PATH, TZ: 'UTC', _OCI_SYNCPIPE: '3' },
    // Its own session: Ctrl-C in the terminal is for the platform, which then stops containers in order.
    detached: true,
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    timeout: CREATE_TIMEOUT_MS,
  });
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  child.once('error', reject);
  const pipe = child.stdio[3];
  if (!(pipe instanceof Readable)) throw new RuntimeError('conmon: no pipe to hear from it');
  let report = '';
  pipe.setEncoding('utf8');
  pipe.on('data', (chunk: string) => {
    report += chunk;
    if (report.includes('\n') || report.length > REPORT_BYTES_MAX) resolve(report);
  });
  pipe.once('end', () => resolve(report));
  pipe.once('error', reject);
  try {
    readReport(await promise);
  } finally {
    pipe.destroy();
  }
}

function readReport(text: string): void {
  if (text === '') throw new RuntimeError('conmon ended without a word');
  const report = JSON.parse(text) as { readonly pid?: number; readonly message?: string };
  if (report.pid !== undefined && report.pid > 0) return;
  throw new RuntimeError(sentenceOf((report.message ?? text).trim()));
}

/** runc writes its words as a record of a log, with the time; for people, and for who counts them, they are the same without. */
function sentenceOf(message: string): string {
  const [, words] = /^time="[^"]*" level=\w+ msg=("(?:[^"\\]|\\.)*")$/s.exec(message) ?? [];
  if (words === undefined) return message;
  try {
    return JSON.parse(words) as string;
  } catch {
    return words;
  }
}
