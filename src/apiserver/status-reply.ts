import type { ApiError } from '#api/meta/api-error.ts';
import type { HttpReply } from '#base/http-message.ts';

/** A `Status` that tells of a failure, as Kubernetes clients parse it. */
export function statusOf(error: ApiError): Record<string, unknown> {
  const { causes, ...details } = error.details;
  const hasDetails = causes !== undefined || Object.keys(details).length > 0;
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: error.message,
    reason: error.reason,
    ...(hasDetails && {
      details: {
        ...details,
        ...(causes && {
          causes: causes.map(({ path, message, reason }) => ({
            reason: reason ?? 'FieldValueInvalid',
            message,
            ...(path !== undefined && { field: path }),
          })),
        }),
      },
    }),
    code: error.code,
  };
}

export function errorReply(error: ApiError): HttpReply {
  const retry = error.details.retryAfterSeconds;
  return jsonReply(statusOf(error), {
    status: error.code,
    ...(retry !== undefined && { headers: { 'retry-after': String(retry) } }),
  });
}

/** `body` is JSON text already, or a value to be rendered as such. */
export function jsonReply(
  body: unknown,
  options: { readonly status?: number; readonly headers?: Readonly<Record<string, string>> } = {},
): HttpReply {
  return {
    status: options.status ?? 200,
    headers: { 'content-type': 'application/json', ...options.headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  };
}

/** RFC 7234 §5.5 with 299, the code Kubernetes uses; one value for each warning. */
export function warningHeader(warnings: readonly string[]): Record<string, string> {
  if (warnings.length === 0) return {};
  const values = warnings.map((text) => `299 - "${text.replaceAll(/["\\]/g, '\\$&')}"`);
  return { warning: values.join(', ') };
}

/** The same reply, with `warnings` besides those it has. */
export function withWarnings(reply: HttpReply, warnings: readonly string[]): HttpReply {
  const { warning } = warningHeader(warnings);
  if (warning === undefined) return reply;
  const others = reply.headers['warning'];
  const all = others === undefined ? warning : `${warning}, ${others}`;
  return { ...reply, headers: { ...reply.headers, warning: all } };
}
