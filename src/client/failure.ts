import type { FieldError } from '#api/kind.ts';
import { ApiError, isReason, type Reason } from '#api/meta/api-error.ts';

/** For replies that name no reason of Kubernetes' own: a proxy's, or an older server's. */
const reasonOfCode: Readonly<Record<number, Reason>> = {
  400: 'BadRequest',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  406: 'NotAcceptable',
  409: 'Conflict',
  410: 'Expired',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  422: 'Invalid',
  429: 'TooManyRequests',
  503: 'ServiceUnavailable',
  504: 'Timeout',
};

/** A Status as it comes over the wire: anything in it may be missing. */
export interface WireStatus {
  readonly reason?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly details?: {
    readonly name?: string;
    readonly group?: string;
    readonly kind?: string;
    readonly uid?: string;
    readonly retryAfterSeconds?: number;
    readonly causes?: readonly { field?: string; message?: string; reason?: string }[];
  };
}

/** The ApiError that a reply with code `status` and this body stands for; `what` names the request. */
export function replyFailure(status: number, body: string, what: string): ApiError {
  const parsed = parseStatus(body);
  if (parsed) return statusFailure(parsed, status);
  const reason = reasonOfCode[status] ?? 'InternalError';
  return new ApiError(reason, `${what}: the server answered ${status}: ${body.slice(0, 200)}`);
}

/** The ApiError a Status object stands for, as in a reply or in a watch's ERROR event. */
export function statusFailure(status: WireStatus, fallbackCode = 500): ApiError {
  const code = typeof status.code === 'number' ? status.code : fallbackCode;
  const reason = isReason(status.reason) ? status.reason : reasonOfCode[code];
  const message = typeof status.message === 'string' ? status.message : `the server said ${code}`;
  const { causes, ...details } = status.details ?? {};
  return new ApiError(reason ?? 'InternalError', message, {
    ...details,
    ...(causes && { causes: causes.map(fieldError) }),
  });
}

function fieldError(cause: { field?: string; message?: string; reason?: string }): FieldError {
  const base = { path: cause.field ?? '', message: cause.message ?? '' };
  // A reason we do not know is still told to whoever reads the error, and nobody branches on it.
  return cause.reason
    ? { ...base, reason: cause.reason as NonNullable<FieldError['reason']> }
    : base;
}

function parseStatus(body: string): WireStatus | undefined {
  if (!body.startsWith('{')) return undefined;
  try {
    const value = JSON.parse(body) as { kind?: unknown };
    return value.kind === 'Status' ? (value as WireStatus) : undefined;
  } catch {
    return undefined;
  }
}
