import type { ChildProcess } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import type { Clock } from '#base/clock.ts';
import type { ContainerCommand } from '#agent/runtime/runtime.ts';

export interface ExecOptions extends ContainerCommand {
  readonly id: string;
  /** The container's own. */
  readonly bundle: string;
  readonly runc: string;
  readonly conmon: string;
  readonly stateFolder: string;
  /** Of this command alone; gone at the end. runc writes its process id into the one once it has begun. */
  readonly pidFile: string;
  readonly specFile: string;
  readonly clock: Clock;
}

/** A command, begun or about to. */
export interface ExecStarted {
  /** runc, or who looks after the command for it. */
  readonly child: ChildProcess;
  /** Undefined where it could not begin; the reason then was on stderr. */
  readonly exitCode: Promise<number | undefined>;
  /** What the command says. */
  readonly outputs: readonly (readonly [source: Readable, target: Writable | undefined])[];
}
