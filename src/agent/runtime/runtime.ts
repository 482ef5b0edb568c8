import type { StandardStreams } from '#base/standard-streams.ts';
import type { OciSpec } from '#agent/oci/oci-spec.ts';

/** What runs containers. They outlive this process: a later one finds them again by `list` and `exited`. */
export interface Runtime extends AsyncDisposable {
  /** Where the container's cgroup has to be; part of the spec that `create` is given. */
  cgroupsPathOf(id: string): string;
  /** Makes the container ready to start, none of its own program running. Throws RuntimeError; leaves nothing then. */
  create(request: CreateRequest): Promise<void>;
  /** Lets a created container run its program. Throws RuntimeError where it has ended. */
  start(id: string): Promise<void>;
  /** Stops the processor time of all its processes until `thaw`; memory and connections stay. */
  freeze(id: string): Promise<void>;
  /** Lets a frozen container go on; also where it is not frozen, or gone. */
  thaw(id: string): Promise<void>;
  /** Signals the container's first process, by a name like `SIGTERM` or a number; resolves also where it has ended. */
  kill(id: string, signal: string): Promise<void>;
  /**
   * Resolves when the container has ended, at once if it had. Rejects with the signal's reason, and with RuntimeError where
   * it has ended and nobody knows how. Never before `create`.
   */
  exited(id: string, signal: AbortSignal): Promise<ContainerExit>;
  /** Ends the container if need be and removes what the runtime knows of it; also where it knows nothing. */
  delete(id: string): Promise<void>;
  /** Every container of this instance, also those that an earlier process made or half made. */
  list(): Promise<readonly KnownContainer[]>;
  /**
   * Runs a command in a running container, joined to streams. Resolves with its exit code once all of its output is handed
   * on: 126 with a message on stderr where it could not begin. An abort ends it, with all it has started.
   */
  run(
    id: string,
    command: ContainerCommand,
    streams: StandardStreams,
    signal: AbortSignal,
  ): Promise<number>;
  /**
   * Hands on input and window sizes to a container's own program, where it was created to take them. Resolves when the
   * input has ended, or `signal` is aborted.
   */
  feed(
    id: string,
    input: Pick<StandardStreams, 'stdin' | 'terminal'>,
    signal: AbortSignal,
  ): Promise<void>;
  /** After the log file was renamed: what is written from soon on goes to a new one. */
  reopenLog(id: string): Promise<void>;
  /** A `run` without input, and with as much output as probes keep; a command that an abort ended has no exit code. */
  exec(id: string, command: readonly string[], limit: AbortSignal): Promise<ExecResult>;
  /** The machine's number of the container's first process; undefined where none runs. */
  processOf(id: string): Promise<number | undefined>;
  /** What the container uses; undefined where it has ended. */
  usage(id: string): Promise<Usage | undefined>;
}

export interface Usage {
  /** Nanoseconds of processor time since it began, on all processors together. */
  readonly cpuNanos: number;
  /** The working set in bytes: what would not go if the kernel wanted memory back. */
  readonly memoryBytes: number;
  /** Threads included, as the kernel counts. */
  readonly processes: number;
}

export interface CreateRequest {
  /** Unique on the machine; at most 64 letters, digits and dashes. */
  readonly id: string;
  /** The container's own folder, with its root filesystem in `rootfs`. */
  readonly bundle: string;
  readonly spec: OciSpec;
  /** Where stdout and stderr go: one line each, `TIME STREAM F|P TEXT`. */
  readonly logFile: string;
  /** Absent: none. `once`: open until the first one that feeds it has ended. */
  readonly stdin?: 'open' | 'once';
}

export interface ContainerCommand {
  readonly args: readonly string[];
  /** All output then comes as stdout. */
  readonly isTerminal: boolean;
}

export interface KnownContainer {
  readonly id: string;
  /** `broken`: half made, or ended in a way that left no trace; good for `delete` only. */
  readonly state: 'created' | 'running' | 'stopped' | 'broken';
}

export interface ContainerExit {
  /** 128 + the signal's number where a signal ended it. */
  readonly exitCode: number;
  readonly finishedAt: Date;
  /** The kernel killed a process of the container for want of memory. */
  readonly isOomKilled: boolean;
}

export interface ExecResult {
  /** Undefined: the limit came first. */
  readonly exitCode: number | undefined;
  readonly output: string;
}

/** A container that cannot be made or started, in words for a pod's status. */
export class RuntimeError extends Error {
  override readonly name = 'RuntimeError';
}
