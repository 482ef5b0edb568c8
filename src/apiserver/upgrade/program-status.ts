import { ApiError } from '#api/meta/api-error.ts';
import { statusOf } from '#apiserver/status-reply.ts';

/** What the error stream of `v4.channel.k8s.io` and later says at the end. */
export function exitStatus(exitCode: number): Record<string, unknown> {
  if (exitCode === 0) return { metadata: {}, status: 'Success' };
  return {
    metadata: {},
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${exitCode}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(exitCode) }] },
  };
}

export function failureStatus(error: unknown): Record<string, unknown> {
  if (error instanceof ApiError) return statusOf(error);
  const message = error instanceof Error ? error.message : String(error);
  return statusOf(new ApiError('InternalError', `Internal error occurred: ${message}`));
}
