import type { Clock } from '#base/clock.ts';
import type { HttpReply } from '#base/http-message.ts';
import { FairShare } from '#apiserver/fair-share.ts';
import type { UserRequest } from '#apiserver/route.ts';

/** How many at once; Kubernetes' own figures unless told. */
export interface Limits {
  /** GET and HEAD that are no watches. */
  readonly reading: number;
  readonly writing: number;
  /** Watches and followed logs, whose replies do not end by themselves: who gets none of these is refused at once. */
  readonly streaming: number;
  /** Of one user that wait for a seat among those being read or written, and of all users. */
  readonly waiting: number;
  readonly waitingTotal: number;
  /** As Kubernetes: a quarter of what a request may take. */
  readonly waitMs: number;
}

const DEFAULT_LIMITS: Limits = {
  reading: 400,
  writing: 200,
  streaming: 20_000,
  waiting: 50,
  waitingTotal: 500,
  waitMs: 15_000,
};

/** Where an administrator, and whoever asks whether the server is well, must get in even now. */
const HEALTH = /^\/(healthz|livez|readyz)([/?]|$)/;

/** Whatever could be one; what turns out to be none ends at once. */
const STREAMING =
  /[?&](watch|follow)(?!=(0|false)(&|$))(=|&|$)|^\/(api|apis\/[^/]+)\/[^/]+\/watch\//i;

type Sort = 'reading' | 'writing' | 'streaming';

/**
 * Counts requests by user, lets those above a limit wait, and refuses who waits too long with the 429 that makes Kubernetes
 * clients try again. The platform and its administrators never wait.
 */
export class InFlight {
  readonly #shares: Readonly<Record<Sort, FairShare>>;

  constructor(clock: Clock, limits: Partial<Limits> = {}) {
    const all = { ...DEFAULT_LIMITS, ...limits };
    const { waiting: waitingMax, waitingTotal: waitingTotalMax, waitMs } = all;
    const queued = { waitingMax, waitingTotalMax, waitMs, clock };
    this.#shares = {
      reading: new FairShare({ seats: all.reading, ...queued }),
      writing: new FairShare({ seats: all.writing, ...queued }),
      streaming: new FairShare({ seats: all.streaming, ...queued, waitingMax: 0 }),
    };
  }

  async run(
    request: UserRequest,
    answer: (request: UserRequest) => Promise<HttpReply>,
  ): Promise<HttpReply> {
    if (request.user.groups.includes('system:masters') || HEALTH.test(request.target)) {
      return await answer(request);
    }
    const seat = await this.#shares[sortOf(request)].take(request.user.name, request.signal);
    let isStreamed = false;
    try {
      const reply = await answer(request);
      if (typeof reply.body === 'string' || reply.body instanceof Uint8Array) return reply;
      isStreamed = true;
      return { ...reply, body: seated(seat, reply.body) };
    } finally {
      if (!isStreamed) seat[Symbol.dispose]();
    }
  }
}

type Stream = AsyncIterable<string | Uint8Array>;

/** The same stream, which gives its seat back when it ends, fails or is left. */
function seated(seat: Disposable, body: Stream): Stream {
  return {
    [Symbol.asyncIterator](): AsyncIterator<string | Uint8Array> {
      const inner = body[Symbol.asyncIterator]();
      return {
        async next() {
          const result = await inner.next().catch((error: unknown) => {
            seat[Symbol.dispose]();
            throw error;
          });
          if (result.done) seat[Symbol.dispose]();
          return result;
        },
        async return() {
          seat[Symbol.dispose]();
          await inner.return?.();
          return { done: true, value: undefined };
        },
      };
    },
  };
}

function sortOf({ method, target }: UserRequest): Sort {
  if (method !== 'GET' && method !== 'HEAD') return 'writing';
  return STREAMING.test(target) ? 'streaming' : 'reading';
}
