import {
  allIn,
  endIn,
  hasBrokenEscape,
  isAuthority,
  isToken,
  queryTable,
  targetTable,
} from './characters.ts';
import { type FieldSection, listMembers, parseFields } from './field-section.ts';
import { type BodyLength, declaredLength } from './framing.ts';
import type { HttpLimits } from './limits.ts';
import { ProtocolError } from './protocol-error.ts';

export interface RequestHead {
  readonly method: string;
  /** Path and query in origin-form, or `*`. */
  readonly target: string;
  /** The Host field as sent. */
  readonly authority: string;
  /** HTTP/1.x */
  readonly minorVersion: number;
  readonly fields: FieldSection;
  readonly bodyLength: BodyLength;
  /** Whether the client will wait for the response and send more; RFC 9112 §9.3. */
  readonly isPersistent: boolean;
  /** RFC 9110 §10.1.1. */
  readonly expectsContinue: boolean;
  /** Members of Connection in lower case; undefined where it was not sent. */
  readonly connection: readonly string[] | undefined;
  /** What Upgrade names, where Connection names Upgrade too (RFC 9110 §7.8). */
  readonly upgrade: string | undefined;
}

const VERSION = /^HTTP\/(\d)\.(\d)$/;
const ABSOLUTE_FORM = /^https?:\/\/([^/?]*)(.*)$/i;

/** Fields without which a request means something else: Connection must not ask a proxy to drop them. */
const NEVER_NOMINATED = ['host', 'content-length', 'content-type', 'authorization', 'cookie'];

/** RFC 9112 §3 and §5, on a whole head: the text up to and with the empty line. */
export function parseRequestHead(text: string, limits: HttpLimits): RequestHead {
  const lineEnd = text.indexOf('\r\n');
  if (lineEnd > limits.startLineBytesMax) {
    throw new ProtocolError(`request line: longer than ${limits.startLineBytesMax} bytes`, 414);
  }
  const { method, rawTarget, minorVersion } = parseRequestLine(text.slice(0, lineEnd));
  const end = text.length - 2;
  const fields = parseFields(text, { start: lineEnd + 2, end, fieldsMax: limits.fieldsMax });
  const authority = hostOf(fields, minorVersion);
  const connection = connectionOf(fields);
  return {
    method,
    target: parseTarget(rawTarget, method, authority),
    authority,
    minorVersion,
    fields,
    bodyLength: declaredLength(fields, minorVersion) ?? 0,
    isPersistent: minorVersion === 1 && !connection?.includes('close'),
    expectsContinue: expectationOf(fields) && minorVersion === 1,
    connection,
    upgrade: connection?.includes('upgrade') ? fields.get('upgrade') : undefined,
  };
}

/** RFC 9112 §3: method SP request-target SP HTTP-version, with exactly one space each. */
function parseRequestLine(line: string): {
  method: string;
  rawTarget: string;
  minorVersion: number;
} {
  const first = line.indexOf(' ');
  const second = line.indexOf(' ', first + 1);
  if (first === -1) throw new ProtocolError('request line: no target');
  // What HTTP/0.9 sent: "GET /". Nothing speaks it any more.
  if (second === -1) throw new ProtocolError('request line: no HTTP version');
  const method = line.slice(0, first);
  if (!isToken(method)) throw new ProtocolError('request line: the method is not a token');
  const rawTarget = line.slice(first + 1, second);
  return { method, rawTarget, minorVersion: parseVersion(line.slice(second + 1)) };
}

/** RFC 9112 §2.3: HTTP-name "/" DIGIT "." DIGIT, case-sensitive. */
function parseVersion(version: string): number {
  if (version === 'HTTP/1.1') return 1;
  if (version === 'HTTP/1.0') return 0;
  if (VERSION.test(version)) throw new ProtocolError(`${version} is not supported`, 505);
  throw new ProtocolError('request line: malformed HTTP version');
}

/** RFC 9112 §3.2: origin-form, absolute-form, and asterisk-form for OPTIONS; we are no tunnel, so no authority-form. */
function parseTarget(target: string, method: string, authority: string): string {
  if (method === 'CONNECT') throw new ProtocolError('CONNECT: this is not a tunnel', 501);
  if (target === '*') {
    if (method === 'OPTIONS') return target;
    throw new ProtocolError(`target *: only for OPTIONS, not for ${method}`);
  }
  const odd = endIn(targetTable, target, 0);
  if (target === '' || (odd < target.length && !isInQuery(target, odd))) {
    throw new ProtocolError('target: empty, or with a character that no URI may hold');
  }
  const path = target.startsWith('/') ? target : pathOfAbsoluteForm(target, authority);
  const query = path.indexOf('?');
  if (hasBrokenEscape(query === -1 ? path : path.slice(0, query))) {
    throw new ProtocolError('target: a percent sign without two hexadecimal digits');
  }
  return path;
}

/** Whether all from `at` is part of a query, and may be. */
function isInQuery(target: string, at: number): boolean {
  const query = target.indexOf('?');
  return query !== -1 && query < at && allIn(queryTable, target, at);
}

/** RFC 9112 §3.2.2: the target's authority wins over Host; a request where they differ is refused instead. */
function pathOfAbsoluteForm(target: string, authority: string): string {
  const match = ABSOLUTE_FORM.exec(target);
  if (!match) throw new ProtocolError('target: neither a path nor an http URI');
  const [, host = '', rest = ''] = match;
  if (host.toLowerCase() !== authority.toLowerCase()) {
    throw new ProtocolError('target: its host differs from the Host field');
  }
  return rest.startsWith('/') ? rest : `/${rest}`;
}

/** RFC 9112 §3.2: exactly one Host. HTTP/1.0 did not have it, but without it nothing can be routed. */
function hostOf(fields: FieldSection, minorVersion: number): string {
  const index = fields.names.indexOf('host');
  if (index === -1) throw new ProtocolError(`host: missing in an HTTP/1.${minorVersion} request`);
  if (fields.names.includes('host', index + 1)) throw new ProtocolError('host: sent twice');
  const authority = fields.values[index] ?? '';
  if (!isAuthority(authority)) throw new ProtocolError('host: not a host name or address');
  return authority;
}

function connectionOf(fields: FieldSection): string[] | undefined {
  let members: string[] | undefined;
  for (let index = 0; index < fields.length; index += 1) {
    if (fields.names[index] !== 'connection') continue;
    members = [...(members ?? []), ...listMembers(fields.values[index] ?? '')];
  }
  const abused = members?.find((member) => NEVER_NOMINATED.includes(member));
  if (abused) throw new ProtocolError(`connection: names ${abused}, which is not hop-by-hop`);
  return members;
}

function expectationOf(fields: FieldSection): boolean {
  const expectation = fields.get('expect');
  if (expectation === undefined) return false;
  if (expectation.toLowerCase() === '100-continue') return true;
  throw new ProtocolError('expect: only 100-continue is supported', 417);
}
