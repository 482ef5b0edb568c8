import type { Log } from '#base/log.ts';
import { ApiError, hasReason } from '#api/meta/api-error.ts';
import { TerminalError } from '#reconcile/controller.ts';
import type { Result } from '#reconcile/work-queue.ts';

export interface AttemptOptions {
  /** Bound to what is worked on. */
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly attempt: number;
}

/** A lost race or a thing not there yet is ordinary, and usually gone at the next attempt. */
const QUIET_ATTEMPTS = 3;

/** Does `work` and turns its failure into what the queue must do. Here a reconcile's errors end, each logged once. */
export async function attempted(
  work: () => Promise<Result>,
  { log, signal, attempt }: AttemptOptions,
): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (signal.aborted) return {};
    if (error instanceof TerminalError) {
      log.warn('reconcile: cannot succeed until the object is changed', { error });
      return {};
    }
    if (!(error instanceof ApiError)) {
      log.error('reconcile: a bug', { error, attempt });
      return { hasFailed: true };
    }
    if (attempt > QUIET_ATTEMPTS || !isOrdinary(error)) {
      log.warn('reconcile: failed, will try again', { reason: error.reason, error, attempt });
    }
    const { retryAfterSeconds } = error.details;
    return {
      hasFailed: true,
      ...(retryAfterSeconds && { againAfterMs: retryAfterSeconds * 1000 }),
    };
  }
}

function isOrdinary(error: ApiError): boolean {
  return (
    hasReason(error, 'Conflict') ||
    hasReason(error, 'AlreadyExists') ||
    hasReason(error, 'NotFound')
  );
}
