import net from 'node:net';
import { backoffMs } from '#base/backoff.ts';
import type { Clock } from '#base/clock.ts';
import { writeJsonLine } from '#base/json-lines.ts';
import type { FromPart } from './report.ts';

/** A part's line to its supervisor; comes back by itself when the supervisor was killed and started again. */
export interface PartReporter extends Disposable {
  ready(): void;
  /** Resolves when the sentence has been handed over, or nobody listens. */
  failed(message: string): Promise<void>;
}

const RECONNECT = { firstMs: 50, maxMs: 1000 };

export function reportToSupervisor(options: {
  readonly socket: string;
  readonly name: string;
  readonly settings: string;
  readonly clock: Clock;
}): PartReporter {
  const hello: FromPart = {
    type: 'hello',
    name: options.name,
    pid: process.pid,
    settings: options.settings,
  };
  let isReady = false;
  let isClosed = false;
  let attempt = 0;
  let connection: net.Socket | undefined;
  let timer: Disposable | undefined;
  const connect = (): void => {
    const socket = net.connect(options.socket);
    connection = socket;
    socket.once('connect', () => {
      attempt = 0;
      writeJsonLine(socket, hello);
      if (isReady) writeJsonLine(socket, { type: 'ready' } satisfies FromPart);
    });
    socket.on('error', () => undefined); // 'close' follows and decides.
    socket.once('close', () => {
      if (isClosed) return;
      attempt += 1;
      timer = options.clock.after(backoffMs(RECONNECT, attempt), connect);
    });
    // Without a supervisor the part goes on; the line to it must not keep a stopping part alive.
    socket.unref();
  };
  connect();
  return {
    ready() {
      isReady = true;
      if (connection?.writable) writeJsonLine(connection, { type: 'ready' } satisfies FromPart);
    },
    async failed(message) {
      if (!connection?.writable) return;
      const { promise, resolve } = Promise.withResolvers<void>();
      const line: FromPart = { type: 'failed', message };
      connection.ref();
      connection.write(`${JSON.stringify(line)}\n`, () => resolve());
      connection.once('close', () => resolve());
      await promise;
    },
    [Symbol.dispose]() {
      isClosed = true;
      timer?.[Symbol.dispose]();
      connection?.destroy();
    },
  };
}
