import { createHash } from 'node:crypto';
import type { HttpReply, HttpRequest } from '#base/http-message.ts';

/** Something that stays the same while the kinds do, so that clients may keep it and ask by its ETag. */
export interface Document {
  readonly contentType: string;
  readonly body: string | Uint8Array;
  /** Of the body's content. */
  readonly hash: string;
}

export function document(contentType: string, body: string | Uint8Array): Document {
  const hash = createHash('sha256').update(body).digest('hex').toUpperCase();
  return { contentType, body, hash };
}

export function jsonDocument(value: unknown, contentType = 'application/json'): Document {
  return document(contentType, JSON.stringify(value));
}

/** The document, or 304 where the client has it already (RFC 9110 §13.1.2). */
export function documentReply(
  { contentType, body, hash }: Document,
  request: HttpRequest,
  headers: Readonly<Record<string, string>> = {},
): HttpReply {
  const etag = `"${hash}"`;
  const shared = { etag, vary: 'Accept', ...headers };
  const known = (request.headers['if-none-match'] ?? '').split(',').map((value) => value.trim());
  if (known.some((value) => value === etag || value === `W/${etag}`)) {
    return { status: 304, headers: shared, body: '' };
  }
  return { status: 200, headers: { ...shared, 'content-type': contentType }, body };
}

/** Makes each document when it is first asked for, and anew when `source` returns another value. */
export function documentCache<S extends object>(
  source: () => S,
): (name: string, make: (source: S) => Document) => Document {
  let made: { readonly of: S; readonly documents: Map<string, Document> } | undefined;
  return (name, make) => {
    const current = source();
    if (made?.of !== current) made = { of: current, documents: new Map() };
    let found = made.documents.get(name);
    if (!found) made.documents.set(name, (found = make(current)));
    return found;
  };
}
