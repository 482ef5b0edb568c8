import type { Exchange } from '../connection/exchange.ts';
import type { EndingPods } from './ending-pods.ts';
import type { ServiceDirectory } from './service-directory.ts';

interface RevisionRef {
  readonly namespace: string;
  readonly name: string;
}

export interface DrainRequestsOptions {
  readonly directory: Pick<ServiceDirectory, 'allOf' | 'noteEnding'>;
  readonly endingPods: EndingPods;
  /** The gateway's own name, by which it is asked; no route has it. */
  readonly host: string;
}

const PATH = /^\/drain\/(?<namespace>[^/]+)\/(?<name>[^/]+)$/;

/**
 * Answers `/drain/NAMESPACE/REVISION`, which a kubelet asks before it ends a container: pods of the revision that are
 * ending are chosen no more, and the answer comes once no request is in them. Whoever else asks changes nothing: which
 * pods are ending is what the API says, not the asker.
 */
export class DrainRequests {
  readonly #options: DrainRequestsOptions;
  /** The question about a revision that is yet to be asked, shared by all who came before it was. */
  readonly #due = new Map<string, Promise<readonly string[]>>();
  /** When the last question about a revision will have been answered: one is asked at a time. */
  readonly #asked = new Map<string, Promise<void>>();

  constructor(options: DrainRequestsOptions) {
    this.#options = options;
  }

  /** False where the request asks for something else, and is left alone. */
  take(exchange: Exchange, host: string): boolean {
    if (host !== this.#options.host) return false;
    const { namespace, name } = PATH.exec(exchange.head.target)?.groups ?? {};
    if (namespace === undefined || name === undefined) return false;
    const gone = new AbortController();
    exchange.answerWith({
      onRequestData: () => undefined,
      onRequestEnd: () => undefined,
      onClientDrain: () => undefined,
      onClientGone: () => gone.abort(),
    });
    const answer = (status: number, text: string): void => {
      if (!gone.signal.aborted) exchange.respond(status, text);
    };
    void this.#drain({ namespace, name }, gone.signal).then(
      () => answer(200, 'no request is in a pod that is ending'),
      (error: Error) => answer(503, `which pods are ending is not known: ${error.message}`),
    );
    return true;
  }

  /** Waits until `signal` is aborted at the longest. */
  async #drain(revision: RevisionRef, signal: AbortSignal): Promise<void> {
    const { directory } = this.#options;
    const { namespace, name } = revision;
    if (directory.allOf(namespace, name).length === 0) return;
    const ending = await this.#ending(revision);
    for (const pod of ending) directory.noteEnding(namespace, pod);
    if (signal.aborted) return;
    const drained = directory.allOf(namespace, name).flatMap(({ pods }) =>
      ending.map(async (pod) => {
        const { promise, resolve } = Promise.withResolvers<void>();
        signal.addEventListener('abort', () => resolve(), { once: true });
        using _ = pods.drain(pod, resolve);
        await promise;
      }),
    );
    await Promise.all(drained);
  }

  /** As it is at some time after this call. */
  #ending(revision: RevisionRef): Promise<readonly string[]> {
    const key = `${revision.namespace}/${revision.name}`;
    const due = this.#due.get(key);
    if (due) return due;
    const answer = (this.#asked.get(key) ?? Promise.resolve()).then(() => {
      this.#due.delete(key);
      return this.#options.endingPods(revision);
    });
    this.#due.set(key, answer);
    const answered = answer
      .then(
        () => undefined,
        () => undefined, // Told to whoever waits for the answer.
      )
      .then(() => {
        if (this.#asked.get(key) === answered) this.#asked.delete(key);
      });
    this.#asked.set(key, answered);
    return answer;
  }
}
