import type { Log } from '#base/log.ts';
import { ApiError, hasReason } from '#api/meta/api-error.ts';
import { TerminalError } from '#reconcile/controller.ts';
import type { Result } from '#reconcile/work-queue.ts';

export interface AttemptOptions {
  /** Bound to what is worked on. */
  readonly log: Log;
  readonly signal: AbortSignal;
  readonly attempt: number;
  /** Told of what is more than a lost race. */
  readonly onFailure?: (error: Error) => Promise<void>;
}

/** A lost race or a thing not there yet is ordinary, and usually gone at the next attempt. */
const QUIET_ATTEMPTS = 3;

/** Does `work` and turns its failure into what the queue must do. Here a reconcile's errors end, each logged once. */
export async function attempted(
  work: () => Promise<Result>,
  options: AttemptOptions,
): Promise<Result> {
  const { log, signal, attempt } = options;
  try {
    return await work();
  } catch (error) {
    if (signal.aborted) return {};
    if (error instanceof TerminalError) {
      log.warn('reconcile: cannot succeed until the object is changed', { error });
      await tell(error, options);
      return {};
    }
    if (!(error instanceof ApiError)) {
      log.error('reconcile: a bug', { error, attempt });
      await tell(error, options);
      return { hasFailed: true };
    }
    if (attempt > QUIET_ATTEMPTS || !isOrdinary(error)) {
      log.warn('reconcile: failed, will try again', { reason: error.reason, error, attempt });
      // However often it is lost, a race says nothing of the object (serving specification §1.1).
      if (!hasReason(error, 'Conflict')) await tell(error, options);
    }
    const { retryAfterSeconds } = error.details;
    return {
      hasFailed: true,
      ...(retryAfterSeconds && { againAfterMs: retryAfterSeconds * 1000 }),
    };
  }
}

async function tell(error: unknown, { onFailure, signal, log }: AttemptOptions): Promise<void> {
  try {
    await onFailure?.(error instanceof Error ? error : new Error(String(error)));
  } catch (untold) {
    if (!signal.aborted) log.warn('reconcile: its failure could not be told', { error: untold });
  }
}

function isOrdinary(error: ApiError): boolean {
  return (
    hasReason(error, 'Conflict') ||
    hasReason(error, 'AlreadyExists') ||
    hasReason(error, 'NotFound')
  );
}
