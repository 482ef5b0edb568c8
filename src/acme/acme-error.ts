/** What an ACME server said instead of an answer (RFC 8555 §6.7), or that it could not be asked. */
export class AcmeError extends Error {
  override readonly name = 'AcmeError';
  /** `rateLimited`: the part of the problem's type after `urn:ietf:params:acme:error:`; empty where there was none. */
  readonly type: string;
  /** Of the reply; 0 where there was none. */
  readonly status: number;
  /** Not to be asked again before; undefined where the server did not say. */
  readonly retryAfterMs: number | undefined;

  constructor(
    message: string,
    options: { type?: string; status?: number; retryAfterMs?: number | undefined; cause?: unknown },
  ) {
    super(message, { cause: options.cause });
    this.type = options.type ?? '';
    this.status = options.status ?? 0;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** A problem document (RFC 7807), as far as it is one. */
export interface Problem {
  readonly type?: string;
  readonly detail?: string;
  readonly subproblems?: readonly Problem[];
}

/** The server's own words, shortened: they end up in a condition. */
export function problemText({ type = '', detail = '', subproblems = [] }: Problem): string {
  const parts = subproblems.map((each) => each.detail ?? '').filter(Boolean);
  const text = [detail, ...parts].filter(Boolean).join('; ') || type || 'no reason given';
  return text.slice(0, TEXT_LENGTH_MAX);
}

const TEXT_LENGTH_MAX = 1_000;

export function problemType({ type = '' }: Problem): string {
  return type.replace(/^urn:ietf:params:acme:error:/, '');
}
