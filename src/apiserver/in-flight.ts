import type { HttpReply } from '#base/http-message.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { UserRequest } from '#apiserver/route.ts';

/** How many at once; Kubernetes' own figures unless told. */
export interface Limits {
  /** GET and HEAD that are no watches. */
  readonly reading: number;
  readonly writing: number;
  /** Watches and followed logs, whose replies do not end by themselves. */
  readonly streaming: number;
}

const DEFAULT_LIMITS: Limits = { reading: 400, writing: 200, streaming: 20_000 };

/** Counts requests, and refuses those above a limit with the 429 that makes Kubernetes clients wait and try again. */
export class InFlight {
  readonly #limits: Limits;
  readonly #counts = { reading: 0, writing: 0, streaming: 0 };

  constructor(limits: Partial<Limits> = {}) {
    this.#limits = { ...DEFAULT_LIMITS, ...limits };
  }

  async run(
    request: UserRequest,
    answer: (request: UserRequest) => Promise<HttpReply>,
  ): Promise<HttpReply> {
    const sort = sortOf(request);
    if (this.#counts[sort] >= this.#limits[sort]) {
      throw new ApiError('TooManyRequests', 'Too many requests, please try again later.', {
        retryAfterSeconds: 1,
      });
    }
    this.#counts[sort] += 1;
    let isStreamed = false;
    try {
      const reply = await answer(request);
      isStreamed = isStream(reply.body);
      return isStreamed ? { ...reply, body: this.#counted(sort, reply.body) } : reply;
    } finally {
      if (!isStreamed) this.#counts[sort] -= 1;
    }
  }

  #counted(sort: keyof Limits, body: HttpReply['body']): HttpReply['body'] {
    if (!isStream(body)) return body;
    const counts = this.#counts;
    let isCounted = true;
    const release = (): void => {
      if (isCounted) counts[sort] -= 1;
      isCounted = false;
    };
    return {
      [Symbol.asyncIterator](): AsyncIterator<string | Uint8Array> {
        const inner = body[Symbol.asyncIterator]();
        return {
          async next() {
            const result = await inner.next().catch((error: unknown) => {
              release();
              throw error;
            });
            if (result.done) release();
            return result;
          },
          async return() {
            release();
            await inner.return?.();
            return { done: true, value: undefined };
          },
        };
      },
    };
  }
}

function isStream(body: HttpReply['body']): body is AsyncIterable<string | Uint8Array> {
  return typeof body !== 'string' && !(body instanceof Uint8Array);
}

function sortOf({ method, target }: UserRequest): keyof Limits {
  if (method !== 'GET' && method !== 'HEAD') return 'writing';
  return /[?&](watch|follow)=(1|t|true)(&|$)/i.test(target) ? 'streaming' : 'reading';
}
