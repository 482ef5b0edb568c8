/**
 * Runs `work` for every item, at most `limit` at once. The first failure aborts the others and is thrown when all of
 * them have ended.
 */
export async function forEachLimited<T>(
  items: Iterable<T>,
  { limit, signal }: { readonly limit: number; readonly signal: AbortSignal },
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const shared = AbortSignal.any([signal, failed.signal]);
  const remaining = items[Symbol.iterator]();
  const runner = async (): Promise<void> => {
    for (let next = remaining.next(); !next.done; next = remaining.next()) {
      shared.throwIfAborted();
      await work(next.value, shared);
    }
  };
  const run = async (): Promise<void> => {
    try {
      await runner();
    } catch (error) {
      // The first reason is kept; later aborts change nothing.
      failed.abort(error);
    }
  };
  await Promise.all(Array.from({ length: limit }, run));
  signal.throwIfAborted();
  failed.signal.throwIfAborted();
}
