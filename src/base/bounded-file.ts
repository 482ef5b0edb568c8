import { closeSync, fstatSync, openSync, renameSync, writeSync } from 'node:fs';

export interface BoundedFileOptions {
  /** A file larger than this is put aside as `.1`, over the one that was put aside before. */
  readonly bytesMax: number;
  /** Told of what could not be written, as on a full disk. */
  readonly onDropped: (bytes: number) => void;
}

/** Appends whole lines to a file that only this process writes to; opened with the first of them. */
export class BoundedFile implements Disposable {
  readonly #path: string;
  readonly #options: BoundedFileOptions;
  #open: { readonly fd: number; bytes: number } | undefined;

  constructor(path: string, options: BoundedFileOptions) {
    this.#path = path;
    this.#options = options;
  }

  write(lines: string): void {
    const data = Buffer.from(lines);
    try {
      const file = this.#opened();
      writeSync(file.fd, data);
      file.bytes += data.length;
      if (file.bytes > this.#options.bytesMax) this.#putAside();
    } catch (error) {
      if (!(error instanceof Error && 'code' in error)) throw error;
      this.#options.onDropped(data.length);
    }
  }

  [Symbol.dispose](): void {
    if (this.#open) closeSync(this.#open.fd);
    this.#open = undefined;
  }

  #opened(): { readonly fd: number; bytes: number } {
    if (!this.#open) {
      const fd = openSync(this.#path, 'a', 0o600);
      this.#open = { fd, bytes: fstatSync(fd).size };
    }
    return this.#open;
  }

  #putAside(): void {
    this[Symbol.dispose]();
    renameSync(this.#path, `${this.#path}.1`);
  }
}
