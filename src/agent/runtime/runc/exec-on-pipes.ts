import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import type { StandardStreams } from '#base/standard-streams.ts';
import type { OciSpec } from '#agent/oci/oci-spec.ts';
import { PROGRAM_PATH } from '#agent/runtime/runc/conmon.ts';
import type { ExecOptions, ExecStarted } from '#agent/runtime/runc/exec-started.ts';
import { openPipes } from '#agent/runtime/runc/program-pipes.ts';
import { RuntimeError } from '#agent/runtime/runtime.ts';

/**
 * A command with pipes of its own. conmon is its parent and tells its exit code; runc only begins it: when it stays and
 * hands on itself, a program that closes its input early gets runc's own SIGPIPE (runc 1.1), and runc costs 10 MB.
 */
export async function execOnPipes(
  options: ExecOptions,
  { stdin, stdout, stderr }: StandardStreams,
): Promise<ExecStarted> {
  const { id, runc, conmon, stateFolder, pidFile, specFile } = options;
  await writeFile(specFile, await processSpec(options), { mode: 0o600 });
  const pipes = await openPipes(specFile, [stdin && 'in', stdout && 'out', stderr && 'out']);
  const [input, output, errors] = pipes;
  const args = [
    '--sync',
    '-e',
    '-c',
    id,
    '-u',
    path.basename(specFile),
    '-n',
    id,
    '-r',
    runc,
    `--runtime-arg=--root=${stateFolder}`,
    // Without a log of its own runc writes its messages as records of one; stderr is for people.
    '--runtime-arg=--log=/dev/null',
    '-p',
    pidFile,
    '--exec-process-spec',
    specFile,
    '-l',
    'passthrough',
    '--log-level',
    'error',
  ];
  const child = spawn(conmon, args, {
    // Its own session: Ctrl-C in the platform's terminal is for the platform.
    detached: true,
    // As for the container itself: it may leave a file `oom` where it is.
    cwd: options.bundle,
    env: { PATH: PROGRAM_PATH, _OCI_SYNCPIPE: '3' },
    stdio: [...pipes.map((pipe) => pipe?.theirs ?? ('ignore' as const)), 'pipe'],
  });
  for (const pipe of pipes) if (pipe) closeSync(pipe.theirs);
  // A program that does not read its input closes the pipe early; its exit code says what matters.
  input?.ours.on('error', () => undefined);
  if (input) stdin?.pipe(input.ours);
  return {
    child,
    exitCode: exitCodeOf(child).finally(() => input?.ours.destroy()),
    outputs: [
      ...(output ? [[output.ours, stdout] as const] : []),
      ...(errors ? [[errors.ours, stderr] as const] : []),
    ],
  };
}

/** The container's own process (OCI runtime spec, config.json) with other arguments. */
async function processSpec({ bundle, args }: ExecOptions): Promise<string> {
  const config = JSON.parse(await readFile(path.join(bundle, 'config.json'), 'utf8')) as OciSpec;
  return JSON.stringify({ ...config.process, args, terminal: false });
}

/** conmon reports the exit code on file descriptor 3, and nothing where runc could not begin. */
async function exitCodeOf(child: ChildProcess): Promise<number | undefined> {
  const pipe = child.stdio[3];
  if (!(pipe instanceof Readable)) throw new RuntimeError('conmon: no pipe to hear from it');
  const [report] = await Promise.all([text(pipe), once(child, 'exit')]);
  if (report === '') return undefined;
  return (JSON.parse(report) as { readonly exit_code?: number }).exit_code;
}
