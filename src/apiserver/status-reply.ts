import type { ApiError, StatusDetails } from '#api/meta/api-error.ts';
import type { HttpReply } from '#base/http-message.ts';

/** A `Status` that tells of a failure, as Kubernetes clients parse it. */
export function statusOf(error: ApiError): Record<string, unknown> {
  const { causes, ...given } = error.details;
  const details = nonEmpty(given);
  const { reason } = error.said ?? error;
  // kubectl debug looks into those of any NotFound, and falls over where there are none.
  const hasDetails =
    causes !== undefined || reason === 'NotFound' || Object.keys(details).length > 0;
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata: {},
    status: 'Failure',
    message: error.message,
    ...(reason !== undefined && { reason }),
    ...(hasDetails && {
      details: {
        ...details,
        ...(causes && {
          causes: causes.map((cause) => causeOf(cause)),
        }),
      },
    }),
    code: error.code,
  };
}

function causeOf({
  path,
  message,
  reason = path === undefined ? undefined : 'FieldValueInvalid',
}: NonNullable<StatusDetails['causes']>[number]): Record<string, string> {
  return {
    ...(reason !== undefined && { reason }),
    message,
    ...(path !== undefined && { field: path }),
  };
}

/** As in Kubernetes' Status: what is empty, as the core group's name is, is left out. */
export function nonEmpty(details: StatusDetails): StatusDetails {
  return Object.fromEntries(Object.entries(details).filter(([, value]) => value !== ''));
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

/** As Kubernetes: where all warnings together are longer, each is cut, and the last ones are left out. */
const WARNINGS_LENGTH_MAX = 4_096;
const WARNING_LENGTH_MAX = 256;

/** RFC 7234 §5.5 with 299, the code Kubernetes uses; one value for each warning. */
export function warningHeader(warnings: readonly string[]): Record<string, string> {
  if (warnings.length === 0) return {};
  const value = warnings.map(warningValue).join(', ');
  if (value.length <= WARNINGS_LENGTH_MAX) return { warning: value };
  const shorter = warnings.map((text) => warningValue(text.slice(0, WARNING_LENGTH_MAX)));
  let length = 0;
  const end = shorter.findIndex((each) => (length += each.length + 2) > WARNINGS_LENGTH_MAX);
  return { warning: shorter.slice(0, end < 0 ? shorter.length : end).join(', ') };
}

/** Control characters end a header, whoever quoted them. */
function warningValue(text: string): string {
  // oxlint-disable-next-line no-control-regex -- these are what must not pass
  const plain = text.toWellFormed().replaceAll(/[\u0000-\u001f\u007f]/g, '');
  return `299 - "${plain.replaceAll(/["\\]/g, '\\$&')}"`;
}

/** The same reply, with `warnings` besides those it has. */
export function withWarnings(reply: HttpReply, warnings: readonly string[]): HttpReply {
  const { warning } = warningHeader(warnings);
  if (warning === undefined) return reply;
  const others = reply.headers['warning'];
  const all = others === undefined ? warning : `${warning}, ${others}`;
  return { ...reply, headers: { ...reply.headers, warning: all } };
}
