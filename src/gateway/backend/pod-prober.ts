import { createConnection, type Socket } from 'node:net';
import type { Clock } from '#base/clock.ts';
import { defaultLimits } from '../http1/limits.ts';
import { MessageParser } from '../http1/message-parser.ts';
import { parseResponseHead } from '../http1/response-head.ts';
import type { ReadinessProbe } from './readiness-probe.ts';

type AskableProbe = Exclude<ReadinessProbe, { type: 'agent' }>;

export interface ProbeOptions {
  readonly address: string;
  /** Of requests; the probe may name another. */
  readonly port: number;
  readonly probe: AskableProbe;
  /** Whether to ask again after a failure, so long after the first attempt; for ever where absent. */
  readonly keepsAsking?: (elapsedMs: number) => boolean;
  /** Called once. `socket` is a fresh connection to `port`, where asking made one; whoever is called owns it. */
  readonly onReady: (socket: Socket | undefined) => void;
}

const ATTEMPT_TIMEOUT_MS = 1_000;
/** All pods together that start are asked a thousand times a second, a tenth of a core: what starts needs the others. */
const ATTEMPT_EVERY_MS = 1;
/** Who is there that often only, and perhaps for ever, is not counted among those that start. */
const SLOWEST_MS = 200;

/**
 * How long after a failure the pod is asked again. While somebody may be waiting for a cold start each millisecond
 * counts; a pod that takes long is asked less and less, at a hundredth of the time it has taken, and so are many that
 * start at once; each at least 5 times a second.
 */
export function untilNextAttemptMs(elapsedMs: number, asked: number): number {
  return Math.min(SLOWEST_MS, Math.max(asked * ATTEMPT_EVERY_MS, elapsedMs / 100));
}

/** Asks the pods of one gateway whether they are ready. */
export class PodProber {
  readonly #clock: Clock;
  #asked = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Asks until the pod is ready, or this is disposed. */
  untilReady(options: ProbeOptions): Disposable {
    const clock = this.#clock;
    const startedMs = clock.monotonicMs();
    let attempt: Disposable | undefined;
    let isCounted = true;
    const uncount = (): void => {
      if (isCounted) this.#asked -= 1;
      isCounted = false;
    };
    const tryOnce = (): void => {
      attempt = probeOnce(options, clock, (isReady, socket) => {
        attempt = undefined;
        const elapsedMs = clock.monotonicMs() - startedMs;
        if (isReady) {
          uncount();
          options.onReady(socket);
        } else if (options.keepsAsking?.(elapsedMs) === false) uncount();
        else {
          if (elapsedMs / 100 >= SLOWEST_MS) uncount();
          attempt = clock.after(untilNextAttemptMs(elapsedMs, this.#asked), tryOnce);
        }
      });
    };
    this.#asked += 1;
    tryOnce();
    return {
      [Symbol.dispose]() {
        uncount();
        attempt?.[Symbol.dispose]();
      },
    };
  }
}

type Done = (isReady: boolean, socket?: Socket) => void;

function probeOnce({ address, port, probe }: ProbeOptions, clock: Clock, done: Done): Disposable {
  const probedPort = probe.port ?? port;
  const socket = createConnection({ host: address, port: probedPort, noDelay: true });
  let isOver = false;
  const finish = (isReady: boolean, keep = false): void => {
    if (isOver) return;
    isOver = true;
    timer[Symbol.dispose]();
    socket.removeAllListeners();
    if (keep) done(isReady, socket);
    else {
      // A socket that is being destroyed may still report an error that says nothing new.
      socket.on('error', () => undefined);
      socket.destroy();
      done(isReady);
    }
  };
  const timer = clock.after(ATTEMPT_TIMEOUT_MS, () => finish(false));
  socket.on('error', () => finish(false));
  socket.on('close', () => finish(false));
  socket.on('connect', () => {
    if (probe.type === 'http') askHttp(socket, { address, probe, finish });
    else finish(true, probedPort === port);
  });
  return {
    [Symbol.dispose]() {
      isOver = true;
      timer[Symbol.dispose]();
      socket.removeAllListeners();
      socket.on('error', () => undefined);
      socket.destroy();
    },
  };
}

/** Ready is any status from 200 to 399, as for the kubelet. */
function askHttp(
  socket: Socket,
  asked: {
    address: string;
    probe: Extract<AskableProbe, { type: 'http' }>;
    finish: (isReady: boolean) => void;
  },
): void {
  const { probe, finish } = asked;
  const parser = new MessageParser(defaultLimits, {
    onHead(text) {
      const { status, bodyLength } = parseResponseHead(text, defaultLimits, 'GET');
      finish(status >= 200 && status < 400);
      return bodyLength;
    },
    onData: () => undefined,
    onEnd: () => undefined,
  });
  socket.on('data', (chunk: Buffer) => {
    try {
      parser.write(chunk);
    } catch {
      // Whatever answers there is not what we wait for; the next attempt may find it.
      finish(false);
    }
  });
  socket.on('end', () => finish(false));
  const host = probe.headers.find(({ name }) => name.toLowerCase() === 'host')?.value;
  const lines = probe.headers
    .filter(({ name }) => name.toLowerCase() !== 'host')
    .map(({ name, value }) => `${name}: ${value}\r\n`);
  const path = probe.path.startsWith('/') ? probe.path : `/${probe.path}`;
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: ${host ?? asked.address}\r\nUser-Agent: kube-probe/knode\r\n` +
      `Connection: close\r\n${lines.join('')}\r\n`,
  );
}
