import { ApiError } from '#api/meta/api-error.ts';

/** What fails a reconcile and was told in an Event of its own, where all others are an InternalError. */
export class ToldFailure extends ApiError {
  constructor({ reason, message, details, said }: ApiError) {
    super(reason, message, details, said);
  }
}

/** Does `work`; where that fails, the message begins with what was tried, and the reason stays. */
export async function tried<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { reason, message, details, said } = error;
    const failure = new ApiError(reason, `${what}: ${message}`, details, said);
    failure.cause = error;
    throw failure;
  }
}
