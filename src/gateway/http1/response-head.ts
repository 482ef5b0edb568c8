import { allIn, fieldValueTable } from './characters.ts';
import { type FieldSection, listMembers, parseFields } from './field-section.ts';
import { type BodyLength, CHUNKED, declaredLength, UNTIL_CLOSE } from './framing.ts';
import type { HttpLimits } from './limits.ts';
import { ProtocolError } from './protocol-error.ts';

export interface ResponseHead {
  readonly status: number;
  readonly reason: string;
  readonly minorVersion: number;
  readonly fields: FieldSection;
  /** Of what follows on the connection; 0 where the request or status allows no body. */
  readonly bodyLength: BodyLength;
  readonly isPersistent: boolean;
  readonly connection: readonly string[] | undefined;
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: (.*))?$/;

/** RFC 9112 §4 and §5, on a whole head. `method` is the request's: a response to HEAD has no body (§6.3). */
export function parseResponseHead(text: string, limits: HttpLimits, method: string): ResponseHead {
  const lineEnd = text.indexOf('\r\n');
  const match = STATUS_LINE.exec(text.slice(0, lineEnd));
  if (!match) throw new ProtocolError('status line: malformed');
  const [, minor, code, reason = ''] = match;
  if (!allIn(fieldValueTable, reason, 0)) throw new ProtocolError('status line: bad reason phrase');
  const minorVersion = Number(minor);
  const status = Number(code);
  const end = text.length - 2;
  const fields = parseFields(text, { start: lineEnd + 2, end, fieldsMax: limits.fieldsMax });
  const declared = declaredLength(fields, minorVersion);
  const bodyLength = bodyLengthOf({ status, method, declared });
  const connection = connectionOf(fields);
  return {
    status,
    reason,
    minorVersion,
    fields,
    bodyLength,
    isPersistent:
      minorVersion === 1 && bodyLength !== UNTIL_CLOSE && !connection?.includes('close'),
    connection,
  };
}

/** RFC 9112 §6.3, rules 1, 2 and 8. */
function bodyLengthOf(response: {
  status: number;
  method: string;
  declared: BodyLength | undefined;
}): BodyLength {
  const { status, method, declared } = response;
  if (status < 200 || status === 204) {
    // §6.1 forbids it here, and a recipient that believed it would lose its place in the stream.
    if (declared === CHUNKED) throw new ProtocolError(`transfer-encoding: with status ${status}`);
    return 0;
  }
  if (status === 304 || method === 'HEAD') return 0;
  return declared ?? UNTIL_CLOSE;
}

function connectionOf(fields: FieldSection): string[] | undefined {
  const value = fields.get('connection');
  return value === undefined ? undefined : listMembers(value);
}
