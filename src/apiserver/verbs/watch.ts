import { AsyncQueue } from '#base/async-queue.ts';
import type { HttpReply } from '#base/http-message.ts';
import { apiVersionOf } from '#api/kind.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { isTrue } from '#api/meta/query-flag.ts';
import { checkListOptions } from '#apiserver/list-options.ts';
import { integerOf, type Deps, type ResourceRequest } from '#apiserver/resource-request.ts';
import { refuseFuture, revisionOf } from '#apiserver/resource-version.ts';
import { selectionOf } from '#apiserver/selection.ts';
import { statusOf } from '#apiserver/status-reply.ts';
import { prefixOf } from '#apiserver/stored-object.ts';
import { watchLines, type WatchLines } from '#apiserver/watch-lines.ts';
import {
  Compacted,
  SlowReader,
  revisionOf as revisionOfChange,
  type Entry,
  type Revision,
} from '#store/store.ts';

/** As Kubernetes: a watch without a timeoutSeconds ends after half an hour to an hour, spread by chance. */
const TIMEOUT_MIN_MS = 30 * 60 * 1000;
const BOOKMARK_EVERY_MS = 60 * 1000;
/** Lines a connection may be behind; then the watch ends and the client resumes where it was. */
const LAG_MAX = 10_000;
/** The same in UTF-16 code units of those lines: of the largest objects ten thousand would be fifteen gigabytes. */
const LAG_LENGTH = { max: 32 * 1024 * 1024, of: (line: string): number => line.length };

/** What a watch begins with. */
interface Start {
  readonly after: Revision;
  /** Told as ADDED before anything else. */
  readonly initial: readonly Entry[];
  /** Whether the end of `initial` is marked by a bookmark. */
  readonly isMarked: boolean;
}

/** GET …/{plural}?watch=1: one JSON event a line. */
export async function watch(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  checkListOptions(request);
  const lines = watchLines(request, selectionOf(request), deps.clock);
  const seconds = integerOf(request.query, 'timeoutSeconds');
  const timeoutMs = seconds ? seconds * 1000 : TIMEOUT_MIN_MS * (1 + deps.random.fraction());
  const start = await readStart(request, deps);
  return {
    status: 200,
    headers: { 'content-type': 'application/json' },
    body: stream(start, { request, deps, lines, timeoutMs }),
  };
}

interface Stream {
  readonly request: ResourceRequest;
  readonly deps: Deps;
  readonly lines: WatchLines;
  readonly timeoutMs: number;
}

async function* stream(
  start: Start,
  { request, deps, lines, timeoutMs }: Stream,
): AsyncGenerator<string, void, undefined> {
  const ended = new AbortController();
  const signal = AbortSignal.any([request.signal, ended.signal]);
  const queue = new AsyncQueue<string>(LAG_MAX, () => new SlowReader(LAG_MAX), LAG_LENGTH);
  using _timeout = deps.clock.after(timeoutMs, () => ended.abort());
  const hasBookmarks = isTrue(request.query, 'allowWatchBookmarks');
  const pumping = pump(queue, { start, request, deps, lines, signal });
  using _bookmarks = hasBookmarks ? pumping.bookmarks() : undefined;
  try {
    for (const entry of start.initial) {
      const line = lines.added(entry);
      if (line) yield line;
    }
    if (start.isMarked && hasBookmarks) {
      yield bookmark(request, start.after, { 'k8s.io/initial-events-end': 'true' });
    }
    for await (const line of queue) yield line;
  } catch (error) {
    // The client resumes from what it saw last, which the history may still reach.
    if (!(error instanceof SlowReader)) throw error;
    deps.log.warn('a watch ended because its reader is slow', { resource: request.kind.plural });
  } finally {
    ended.abort();
    await pumping.done;
  }
}

/** Carries changes into `queue` as fast as they come, so that what is not in it is not there. */
function pump(
  queue: AsyncQueue<string>,
  {
    start,
    request,
    deps,
    lines,
    signal,
  }: Omit<Stream, 'timeoutMs'> & { start: Start; signal: AbortSignal },
): { readonly done: Promise<void>; bookmarks(): Disposable } {
  const { store, clock } = deps;
  let seen: Revision = start.after;
  const run = async (): Promise<void> => {
    try {
      const prefix = prefixOf(request.kind, request.namespace);
      for await (const change of store.watch(prefix, start.after, signal)) {
        seen = revisionOfChange(change);
        const line = lines.changed(change);
        if (line) queue.push(line);
      }
      queue.end();
    } catch (error) {
      const told = toldFailure(error);
      if (told) queue.push(`${JSON.stringify({ type: 'ERROR', object: statusOf(told) })}\n`);
      queue.end(told || !(error instanceof Error) ? undefined : error);
    }
  };
  const bookmarks = (): Disposable => {
    let timer: Disposable;
    const again = (): Disposable => clock.after(BOOKMARK_EVERY_MS, tell);
    const tell = (): void => {
      const now = store.revision;
      // A store publishes before it advances its revision, and the pump is only microtasks behind: after this turn of
      // the event loop every change up to `now` is in the queue.
      setImmediate(() => {
        if (!signal.aborted) queue.push(bookmark(request, Math.max(now, seen) as Revision));
      });
      timer = again();
    };
    timer = again();
    return { [Symbol.dispose]: () => timer[Symbol.dispose]() };
  };
  return { done: run(), bookmarks };
}

async function readStart(request: ResourceRequest, deps: Deps): Promise<Start> {
  const { query } = request;
  const wanted = revisionOf(query);
  const isMarked = isTrue(query, 'sendInitialEvents');
  if (wanted !== undefined) refuseFuture(wanted, deps.store.revision);
  if (!isMarked && (wanted !== undefined || query.has('sendInitialEvents'))) {
    return { after: wanted ?? deps.store.revision, initial: [], isMarked };
  }
  const { entries, at } = await deps.store.list(prefixOf(request.kind, request.namespace));
  return { after: at, initial: entries, isMarked };
}

function bookmark(
  request: ResourceRequest,
  revision: Revision,
  annotations?: Readonly<Record<string, string>>,
): string {
  const { kind, representation } = request;
  const metadata = { resourceVersion: String(revision), ...(annotations && { annotations }) };
  const object = { kind: kind.kind, apiVersion: apiVersionOf(kind), metadata };
  const shown =
    representation === 'table'
      ? {
          kind: 'Table',
          apiVersion: 'meta.k8s.io/v1',
          metadata,
          columnDefinitions: [],
          rows: [{ cells: [], object }],
        }
      : object;
  return `${JSON.stringify({ type: 'BOOKMARK', object: shown })}\n`;
}

/** What a client is told of the end of its watch, as the last event. */
function toldFailure(error: unknown): ApiError | undefined {
  if (error instanceof ApiError) return error;
  if (!(error instanceof Compacted)) return undefined;
  return new ApiError('Expired', `too old resource version: ${error.after} (${error.oldest})`);
}
