import { Worker } from 'node:worker_threads';
import type { LogReport, LogRequest, LogThreadStart } from '#store/sqlite/log-messages.ts';
import type { LogRecord } from '#store/sqlite/log-record.ts';
import { refusalError, type Damage } from '#store/sqlite/refusal.ts';

export interface LogListener {
  /** Before open() resolves, in the order of revisions; no change up to `compacted` can be told any more. */
  readonly onRecords: (records: readonly LogRecord[], compacted: number) => void;
}

interface OpenedLog {
  readonly thread: LogThread;
  /** Of the last write, or of the last that compaction removed. */
  readonly revision: number;
  readonly compacted: number;
  readonly damages: readonly Damage[];
}

/** The caller's side of the log's thread. */
export class LogThread implements AsyncDisposable {
  readonly #worker: Worker;
  readonly #exited = Promise.withResolvers<void>();
  readonly #waiting: PromiseWithResolvers<number>[] = [];
  readonly #opened = Promise.withResolvers<Omit<OpenedLog, 'thread'>>();
  #failure: Error | undefined;

  private constructor(start: LogThreadStart, listener: LogListener) {
    this.#worker = new Worker(new URL('./log-worker.ts', import.meta.url), { workerData: start });
    this.#worker.on('message', (report: LogReport) => this.#take(report, { start, listener }));
    this.#worker.on('error', (error) =>
      this.#fail(new Error('its thread failed', { cause: error })),
    );
    this.#worker.on('exit', () => {
      this.#fail(new Error('its thread has ended'));
      this.#exited.resolve();
    });
  }

  /** Throws StoreDamaged, SchemaUnknown, StoreInUse, or an Error that names the folder. */
  static async open(start: LogThreadStart, listener: LogListener): Promise<OpenedLog> {
    const thread = new LogThread(start, listener);
    try {
      return { ...(await thread.#opened.promise), thread };
    } catch (error) {
      await thread.#exited.promise;
      throw error;
    }
  }

  /** Resolves when the records are on disk, all or none. */
  async append(records: readonly LogRecord[]): Promise<void> {
    await this.#ask({ type: 'append', records });
  }

  /** Compacts up to `upTo`, in steps between which appends get their turn. */
  async compact(upTo: number): Promise<void> {
    for (let reached = -1; ;) {
      const compacted = await this.#ask({ type: 'compact', upTo });
      if (compacted >= upTo || compacted === reached) return;
      reached = compacted;
    }
  }

  /** Resolves when the thread has ended and the files are closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#failure) {
      // The files are as durable as they will be; if closing them fails, the thread ends all the same.
      await Promise.allSettled([this.#ask({ type: 'close' })]);
    }
    await this.#exited.promise;
  }

  #ask(request: LogRequest): Promise<number> {
    if (this.#failure) return Promise.reject(this.#failure);
    const waiting = Promise.withResolvers<number>();
    this.#waiting.push(waiting);
    this.#worker.postMessage(request);
    return waiting.promise;
  }

  #take(report: LogReport, context: { start: LogThreadStart; listener: LogListener }): void {
    switch (report.type) {
      case 'records':
        context.listener.onRecords(report.records, report.compacted);
        return;
      case 'opened':
        this.#opened.resolve(report);
        return;
      case 'refused':
        this.#fail(refusalError(context.start.folder, report.refusal));
        return;
      case 'done':
        this.#waiting.shift()?.resolve(report.compacted);
        return;
      case 'failed':
        this.#waiting.shift()?.reject(new Error(report.reason));
    }
  }

  /** The thread is gone, or never came up. Only the first reason counts. */
  #fail(error: Error): void {
    this.#failure ??= error;
    this.#opened.reject(this.#failure);
    for (const waiting of this.#waiting.splice(0)) waiting.reject(this.#failure);
  }
}
