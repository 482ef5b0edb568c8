/** Character classes of RFC 9110 and 3986 as tables: 1 where the octet belongs. */

export const TAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SPACE = 0x20;
export const COLON = 0x3a;

const ALPHANUMERIC = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';

/** RFC 9110 §5.6.2 tchar. */
export const tokenTable = tableOf(`${ALPHANUMERIC}!#$%&'*+-.^_\`|~`);

/** RFC 9110 §5.5: field-vchar, SP and HTAB; so no CR, LF, NUL or other control. */
export const fieldValueTable = tableWhere(
  (code) => code === TAB || (code >= SPACE && code !== 0x7f),
);

/**
 * What a path may hold: visible ASCII but `"`, `#`, `<`, `>` and `\`. Wider than RFC 3986 by the characters
 * that browsers, following the URL standard, send as they are: `[]{}|^` and the backtick.
 */
export const targetTable = tableWhere(
  (code) => code > SPACE && code < 0x7f && !'"#<>\\'.includes(String.fromCharCode(code)),
);

/**
 * What a query may hold besides: what programs send although no URI may hold it, and cannot end the target. A `#` stays
 * out: it ends the query for some who read it.
 */
export const queryTable = tableWhere(
  (code) => code > SPACE && code !== 0x7f && code !== '#'.charCodeAt(0),
);

/** RFC 3986 §3.2.2 reg-name: unreserved, sub-delims and the percent of pct-encoded. */
const regNameTable = tableOf(`${ALPHANUMERIC}-._~!$&'()*+,;=%`);

/** RFC 9110 §5.6.2. */
export function isToken(text: string): boolean {
  return text.length > 0 && allIn(tokenTable, text, 0);
}

/** Whether every character of `text` from `start` is in `table`. */
export function allIn(table: Uint8Array, text: string, start: number): boolean {
  return endIn(table, text, start) === text.length;
}

/** Where the first character from `start` is that is not in `table`; the length where all are. */
export function endIn(table: Uint8Array, text: string, start: number): number {
  let at = start;
  while (at < text.length && table[text.charCodeAt(at)] === 1) at += 1;
  return at;
}

const IP_LITERAL = /^\[[0-9a-fA-F:.]{2,45}\]$/;
const BROKEN_ESCAPE = /%(?![0-9A-Fa-f]{2})/;

/** RFC 9110 §7.2: uri-host [ ":" port ]. An empty host is refused: an http URI never has one (RFC 9110 §4.2.1). */
export function isAuthority(text: string): boolean {
  const colon = text.lastIndexOf(':');
  const hasPort = colon !== -1 && !text.endsWith(']');
  if (hasPort && !/^\d{0,5}$/.test(text.slice(colon + 1))) return false;
  const host = hasPort ? text.slice(0, colon) : text;
  if (host.startsWith('[')) return IP_LITERAL.test(host);
  return host.length > 0 && allIn(regNameTable, host, 0) && !hasBrokenEscape(host);
}

/** RFC 3986 §2.1: a percent sign is followed by two hexadecimal digits. */
export function hasBrokenEscape(text: string): boolean {
  return text.includes('%') && BROKEN_ESCAPE.test(text);
}

function tableOf(members: string): Uint8Array {
  return tableWhere((code) => members.includes(String.fromCharCode(code)));
}

function tableWhere(belongs: (code: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, code) => Number(belongs(code)));
}
