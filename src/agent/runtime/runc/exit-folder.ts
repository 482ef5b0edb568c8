import { watch, type FSWatcher } from 'node:fs';
import { readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';

export interface Exit {
  readonly exitCode: number;
  readonly finishedAt: Date;
}

/** The folder where conmon leaves a file named after each container that ended, with its exit code; whole or absent. */
export class ExitFolder implements Disposable {
  readonly #folder: string;
  readonly #watcher: FSWatcher;
  readonly #waiting = new Map<string, Set<() => void>>();

  constructor(folder: string) {
    this.#folder = folder;
    this.#watcher = watch(folder, (_event, name) => {
      for (const look of this.#waiting.get(name ?? '') ?? []) look();
    });
  }

  async exited(id: string, signal: AbortSignal): Promise<Exit> {
    for (;;) {
      signal.throwIfAborted();
      const { promise, resolve } = Promise.withResolvers<void>();
      const wake = (): void => resolve();
      const waiting = this.#waiting.get(id) ?? new Set();
      this.#waiting.set(id, waiting.add(wake));
      signal.addEventListener('abort', wake, { once: true });
      try {
        // Looked at after the registration, so that a file which appears meanwhile is not missed.
        const exit = await this.read(id);
        if (exit) return exit;
        await promise;
      } finally {
        signal.removeEventListener('abort', wake);
        waiting.delete(wake);
        if (waiting.size === 0) this.#waiting.delete(id);
      }
    }
  }

  async read(id: string): Promise<Exit | undefined> {
    const file = path.join(this.#folder, id);
    try {
      const [text, { mtime }] = await Promise.all([readFile(file, 'utf8'), stat(file)]);
      return { exitCode: Number(text), finishedAt: mtime };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async remove(id: string): Promise<void> {
    await rm(path.join(this.#folder, id), { force: true });
  }

  [Symbol.dispose](): void {
    this.#watcher.close();
  }
}
