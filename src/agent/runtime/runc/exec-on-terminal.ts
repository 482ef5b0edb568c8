import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { access } from 'node:fs/promises';
import type { StandardStreams } from '#base/standard-streams.ts';
import { PROGRAM_PATH } from '#agent/runtime/runc/conmon.ts';
import type { ExecOptions, ExecStarted } from '#agent/runtime/runc/exec-started.ts';
import { openTerminal } from '#agent/runtime/runc/pseudo-terminal.ts';

/** `runc exec --tty`, which stays and hands on; all output is stdout. */
export async function execOnTerminal(
  { id, args, runc, stateFolder, pidFile }: ExecOptions,
  { stdin, stdout, terminal }: StandardStreams,
): Promise<ExecStarted> {
  const { master, slave, closeSlave, resize } = openTerminal(terminal.newest);
  // Without a log of its own runc writes its messages as records of one; here they are for people.
  const global = ['--log', '/dev/null', '--root', stateFolder];
  const local = ['--pid-file', pidFile, '--tty', '--env', 'TERM=xterm'];
  const child = spawn(runc, [...global, 'exec', ...local, id, ...args], {
    // Its own session: Ctrl-C in the platform's terminal is for the platform.
    detached: true,
    env: { PATH: PROGRAM_PATH },
    stdio: [slave, slave, slave],
  });
  closeSlave();
  terminal.follow((size) => {
    resize(size);
    // runc has no controlling terminal that would tell it.
    child.kill('SIGWINCH');
  });
  stdin?.pipe(master, { end: false });
  const exitCode = async (): Promise<number | undefined> => {
    const [code] = (await once(child, 'exit')) as [number | null];
    const hasBegun = await access(pidFile).then(
      () => true,
      () => false,
    );
    return hasBegun ? (code ?? undefined) : undefined;
  };
  return { child, exitCode: exitCode(), outputs: [[master, stdout]] };
}
