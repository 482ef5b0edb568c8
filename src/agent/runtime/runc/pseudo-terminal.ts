import { closeSync, constants, openSync } from 'node:fs';
import { createRequire } from 'node:module';
import { isatty, ReadStream } from 'node:tty';
import type { TerminalSize } from '#base/standard-streams.ts';
import { RuntimeError } from '#agent/runtime/runtime.ts';

export interface PseudoTerminal {
  /** What is written here the program reads, and the other way round. Its end is an EIO, as pty(7) has it. */
  readonly master: ReadStream;
  /** The program's side, a file descriptor: close it with `closeSlave` once the program has it. */
  readonly slave: number;
  readonly closeSlave: () => void;
  /** Of no effect once the terminal is gone. */
  readonly resize: (size: TerminalSize) => void;
}

/** The part of node-pty's binary that is used: Node itself cannot ask the kernel for a terminal, or size one. */
interface Native {
  open(columns: number, rows: number): { readonly master: number; readonly slave: number };
  resize(fd: number, columns: number, rows: number): void;
}

const DEFAULT_SIZE: TerminalSize = { columns: 80, rows: 24 };
const require = createRequire(import.meta.url);

/** Throws RuntimeError where the machine has none to give. */
export function openTerminal(size: TerminalSize = DEFAULT_SIZE): PseudoTerminal {
  const native = loadNative();
  const { master: fd, slave } = native.open(size.columns, size.rows);
  const master = new ReadStream(fd);
  // EIO is how it ends; the program's exit code says what matters.
  master.on('error', () => undefined);
  return {
    master,
    slave,
    closeSlave: () => closeSync(slave),
    resize: ({ columns, rows }) => {
      if (!master.destroyed) native.resize(fd, columns, rows);
    },
  };
}

/**
 * Sizes the terminal of a process that has one; of no effect otherwise. conmon would do it too, but takes the second of two
 * sizes that come together for the first.
 */
export function resizeTerminalOf(pid: number, { columns, rows }: TerminalSize): void {
  const native = loadNative();
  const { O_RDWR, O_NOCTTY, O_NONBLOCK } = constants;
  for (const stream of [0, 1, 2]) {
    try {
      const fd = openSync(`/proc/${pid}/fd/${stream}`, O_RDWR | O_NOCTTY | O_NONBLOCK);
      try {
        if (!isatty(fd)) continue;
        native.resize(fd, columns, rows);
        return;
      } finally {
        closeSync(fd);
      }
    } catch {
      // Closed by the program, ended meanwhile, or nothing that can be opened: the next may be its terminal.
    }
  }
}

function loadNative(): Native {
  const name = `@lydell/node-pty-linux-${process.arch}`;
  try {
    // Loaded when the first terminal is asked for; the binary's only description is node-pty's own use of it.
    return require(`${name}/pty.node`) as Native;
  } catch (error) {
    throw new RuntimeError(`terminals need the npm package ${name}: ${(error as Error).message}`);
  }
}
