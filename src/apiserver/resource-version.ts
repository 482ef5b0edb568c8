import { ApiError } from '#api/meta/api-error.ts';
import type { Revision } from '#store/store.ts';

/** The resourceVersion a reader names; undefined where it is absent or 0, which both mean "the newest there is". */
export function revisionOf(query: URLSearchParams): Revision | undefined {
  const text = query.get('resourceVersion') ?? '';
  if (text === '' || text === '0') return undefined;
  if (!/^\d{1,15}$/.test(text)) {
    throw new ApiError(
      'BadRequest',
      `invalid resource version "${text}": a whole number was expected`,
    );
  }
  return Number(text) as Revision;
}

/** A version from another life of the store: clients know this cause, and list anew. */
export function refuseFuture(wanted: Revision, current: Revision): void {
  if (wanted <= current) return;
  throw new ApiError(
    'Timeout',
    `Timeout: Too large resource version: ${wanted}, current: ${current}`,
    {
      retryAfterSeconds: 1,
      causes: [{ reason: 'ResourceVersionTooLarge', message: 'Too large resource version' }],
    },
  );
}
