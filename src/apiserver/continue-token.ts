import { ApiError } from '#api/meta/api-error.ts';
import type { Revision } from '#store/store.ts';

/** Where a listing goes on; opaque to clients. */
export interface ContinueToken {
  /** Of the first page. */
  readonly revision: Revision;
  /** The last key looked at, without the listing's prefix. */
  readonly after: string;
}

export function renderContinue(token: ContinueToken): string {
  return Buffer.from(JSON.stringify([token.revision, token.after])).toString('base64url');
}

/** Throws BadRequest for what no page carried. */
export function parseContinue(text: string | null): ContinueToken | undefined {
  if (!text) return undefined;
  const [revision, after] = decode(text);
  if (typeof revision !== 'number' || typeof after !== 'string') throw notValid();
  return { revision: revision as Revision, after };
}

function decode(text: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    if (Array.isArray(value)) return value;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw notValid();
}

function notValid(): ApiError {
  return new ApiError('BadRequest', 'continue key is not valid');
}
