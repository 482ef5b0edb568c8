import { resourceOf, type FieldError, type Kind } from '#api/kind.ts';

/** Kubernetes' status reasons (apimachinery, meta/v1 StatusReason) with the HTTP code each has. */
const codes = {
  BadRequest: 400,
  Unauthorized: 401,
  Forbidden: 403,
  NotFound: 404,
  MethodNotAllowed: 405,
  NotAcceptable: 406,
  AlreadyExists: 409,
  Conflict: 409,
  Gone: 410,
  Expired: 410,
  RequestEntityTooLarge: 413,
  UnsupportedMediaType: 415,
  Invalid: 422,
  TooManyRequests: 429,
  InternalError: 500,
  ServiceUnavailable: 503,
  Timeout: 504,
  // Kubernetes has no word for these; clients act on the code.
  RequestTimeout: 408,
  RequestURITooLong: 414,
  RequestHeaderFieldsTooLarge: 431,
} as const;
export type Reason = keyof typeof codes;

/** What an error is about; part of the Status a client receives. */
export interface StatusDetails {
  readonly name?: string;
  readonly group?: string;
  readonly kind?: string;
  readonly uid?: string;
  readonly retryAfterSeconds?: number;
  readonly causes?: readonly StatusCause[];
}

/** One of several reasons; without a path and a reason of its own, it says the message once more. Beside complaints about fields, Kubernetes has causes of its own, `NamespaceTerminating`. */
type StatusCause = Omit<FieldError, 'path' | 'reason'> & {
  readonly path?: string;
  readonly reason?: string;
};

/** An expected failure, with the reason a Kubernetes client acts on. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly reason: Reason;
  readonly details: StatusDetails;
  /** What a webhook said instead: any code from 400, and any reason or none. */
  readonly said: { readonly code: number; readonly reason?: string } | undefined;
  constructor(
    reason: Reason,
    message: string,
    details: StatusDetails = {},
    said?: { readonly code: number; readonly reason?: string },
  ) {
    super(message);
    this.reason = reason;
    this.details = details;
    this.said = said;
  }
  get code(): number {
    return this.said?.code ?? codes[this.reason];
  }
}

export function isReason(value: unknown): value is Reason {
  return typeof value === 'string' && Object.hasOwn(codes, value);
}

/** Test expected failures with this, never by their message. */
export function hasReason(error: unknown, reason: Reason): error is ApiError {
  return error instanceof ApiError && error.reason === reason;
}

type Named = Pick<Kind, 'group' | 'plural' | 'kind'>;

export function notFound(kind: Named, name: string): ApiError {
  return new ApiError('NotFound', `${resourceOf(kind)} "${name}" not found`, detailsOf(kind, name));
}

export function alreadyExists(kind: Named, name: string): ApiError {
  const message = `${resourceOf(kind)} "${name}" already exists`;
  return new ApiError('AlreadyExists', message, detailsOf(kind, name));
}

export function conflict(kind: Named, name: string, why: string): ApiError {
  const message = `Operation cannot be fulfilled on ${resourceOf(kind)} "${name}": ${why}`;
  return new ApiError('Conflict', message, detailsOf(kind, name));
}

/** The text Kubernetes' own server uses for a stale resourceVersion; clients match on it. */
export const STALE_OBJECT =
  'the object has been modified; please apply your changes to the latest version and try again';

/** UTF-16 code units of complaints that one refusal tells; a body may have a hundred thousand wrong fields. */
const COMPLAINTS_LENGTH_MAX = 64 * 1024;

export function invalid(kind: Named, name: string, all: readonly FieldError[]): ApiError {
  const causes = firstOf(all);
  const list = causes.map((cause) => `${cause.path}: ${cause.message}`);
  if (causes.length < all.length) list.push('and more');
  const text = list.length === 1 ? list[0] : `[${list.join(', ')}]`;
  const resource = kind.group === '' ? kind.kind : `${kind.kind}.${kind.group}`;
  return new ApiError('Invalid', `${resource} "${name}" is invalid: ${text}`, {
    ...detailsOf(kind, name),
    kind: kind.kind,
    causes,
  });
}

function firstOf(causes: readonly FieldError[]): readonly FieldError[] {
  let length = 0;
  const end = causes.findIndex(({ path, message }, at) => {
    length += path.length + message.length;
    return at > 0 && length > COMPLAINTS_LENGTH_MAX;
  });
  return end < 0 ? causes : causes.slice(0, end);
}

/** What is wrong with how a request is to be done, `DeleteOptions`, rather than with an object. */
export function invalidOptions(kind: string, causes: readonly FieldError[]): ApiError {
  return invalid({ group: 'meta.k8s.io', kind, plural: '' }, '', causes);
}

/** What a validating webhook's refusal looks like to a client: Kubernetes' frame round Knative's text. */
export function deniedByWebhook(
  webhook: string,
  kind: Named,
  { name, causes }: { readonly name: string; readonly causes: readonly FieldError[] },
): ApiError {
  const message = `admission webhook "${webhook}" denied the request: ${refusalText(causes)}`;
  return new ApiError('BadRequest', message, { ...detailsOf(kind, name), causes });
}

/** Knative's text for a refusal. */
export function refusalText(causes: readonly FieldError[]): string {
  return `validation failed: ${complaintLines(causes).join('\n')}`;
}

/** Errors that say the same are one line with all their paths; lines are sorted by what they say, details stand below. */
export function complaintLines(causes: readonly FieldError[]): string[] {
  const sameText = Map.groupBy(causes, ({ message, details = '' }) => `${message}\n${details}`);
  const lines = [...sameText.values()].map((errors) => {
    const [{ message, details } = { message: '' }] = errors;
    const paths = new Set(errors.flatMap(({ path }) => pathsOf(path)));
    const where = [...paths].toSorted().join(', ');
    const line = `${message}: ${where}${details === undefined ? '' : `\n${details}`}`;
    return { key: `${message}\0${details ?? ''}`, line };
  });
  return lines.toSorted((a, b) => (a.key < b.key ? -1 : 1)).map(({ line }) => line);
}

/** Of one complaint about several fields. What has blanks besides is no list: upstream says more in a path at times. */
function pathsOf(path: string): readonly string[] {
  const paths = path === '' ? [] : path.split(', ');
  return paths.some((each) => each.includes(' ')) ? [path] : paths;
}

export function methodNotAllowed(): ApiError {
  const message = 'the server does not allow this method on the requested resource';
  return new ApiError('MethodNotAllowed', message);
}

export function forbidden(kind: Named, name: string, why: string): ApiError {
  const subject = name === '' ? resourceOf(kind) : `${resourceOf(kind)} "${name}"`;
  return new ApiError('Forbidden', `${subject} is forbidden: ${why}`, detailsOf(kind, name));
}

function detailsOf(kind: Named, name: string): StatusDetails {
  return { ...(name && { name }), ...(kind.group && { group: kind.group }), kind: kind.plural };
}

/** The body of a request says another namespace than its path. */
export function otherNamespace(): ApiError {
  return new ApiError(
    'BadRequest',
    'the namespace of the provided object does not match the namespace sent on the request',
  );
}
