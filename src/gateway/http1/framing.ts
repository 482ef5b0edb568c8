import type { FieldSection } from './field-section.ts';
import { listMembers } from './field-section.ts';
import { ProtocolError } from './protocol-error.ts';

/** How long a body is: a number of bytes, or one of the two below (RFC 9112 §6.3). */
export type BodyLength = number;
export const CHUNKED: BodyLength = -1;
export const UNTIL_CLOSE: BodyLength = -2;

const DIGITS = /^\d{1,15}$/;

/**
 * What Transfer-Encoding and Content-Length say together; undefined where neither is there. What two recipients could
 * read differently is refused, also where RFC 9112 §6.3 lets one of the two win: that is how requests are smuggled.
 */
export function declaredLength(fields: FieldSection, minorVersion: number): BodyLength | undefined {
  let length: BodyLength | undefined;
  let isChunked = false;
  for (let index = 0; index < fields.length; index += 1) {
    const name = fields.names[index];
    if (name === 'content-length') {
      if (length !== undefined) throw new ProtocolError('content-length: sent more than once');
      length = parseContentLength(fields.values[index] ?? '');
    } else if (name === 'transfer-encoding') {
      if (isChunked) throw new ProtocolError('transfer-encoding: sent more than once');
      requireChunked(fields.values[index] ?? '');
      isChunked = true;
    }
  }
  if (!isChunked) return length;
  if (length !== undefined) throw new ProtocolError('transfer-encoding: beside content-length');
  // RFC 9112 §6.1: its framing is faulty where the sender does not know the field.
  if (minorVersion === 0) throw new ProtocolError('transfer-encoding: in an HTTP/1.0 message');
  return CHUNKED;
}

function parseContentLength(value: string): number {
  if (!DIGITS.test(value)) throw new ProtocolError('content-length: not a decimal number');
  return Number(value);
}

function requireChunked(value: string): void {
  if (value.toLowerCase() === 'chunked') return;
  const codings = listMembers(value);
  if (codings.length === 0 || codings.filter((coding) => coding === 'chunked').length > 1) {
    throw new ProtocolError('transfer-encoding: malformed');
  }
  throw new ProtocolError('transfer-encoding: only chunked is supported', 501);
}
