import type { Readable, Writable } from 'node:stream';

export interface TerminalSize {
  readonly columns: number;
  readonly rows: number;
}

/** What a program reads and writes, for somebody far away. What is absent nobody wants, or sends. */
export interface StandardStreams {
  readonly stdin?: Readable;
  /** With a terminal, all output. */
  readonly stdout?: Writable;
  readonly stderr?: Writable;
  readonly terminal: TerminalSizes;
}

/**
 * Runs something with the streams and resolves with its exit code; ends none of the writable ones. An abort of `signal`
 * means that whoever looked on has gone. Rejects with a sentence for a person.
 */
export type RemoteProgram = (streams: StandardStreams, signal: AbortSignal) => Promise<number>;

/** A connection that something else made. Disposing ends it. */
export interface ByteLink extends Disposable {
  readonly readable: Readable;
  readonly writable: Writable;
}

/** Connects to a port of something. Rejects with a sentence for a person. */
export type DialPort = (port: number, signal: AbortSignal) => Promise<ByteLink>;

/** The size of somebody's window: the newest one, from whenever one asks. */
export class TerminalSizes {
  #size: TerminalSize | undefined;
  #listener: ((size: TerminalSize) => void) | undefined;

  get newest(): TerminalSize | undefined {
    return this.#size;
  }

  set(size: TerminalSize): void {
    this.#size = size;
    this.#listener?.(size);
  }

  /** Calls with the size known so far, and with each that comes; a later call of this takes its place. */
  follow(listener: (size: TerminalSize) => void): void {
    this.#listener = listener;
    if (this.#size) listener(this.#size);
  }
}
