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
 * What a request target may hold: visible ASCII but `"`, `#`, `<`, `>` and `\`. Wider than RFC 3986 by the characters
 * that browsers, following the URL standard, send as they are in queries: `[]{}|^` and the backtick.
 */
export const targetTable = tableWhere(
  (code) => code > SPACE && code < 0x7f && !'"#<>\\'.includes(String.fromCharCode(code)),
);

/** RFC 3986 §3.2.2 reg-name: unreserved, sub-delims and the percent of pct-encoded. */
const regNameTable = tableOf(`${ALPHANUMERIC}-._~!$&'()*+,;=%`);

/** RFC 9110 §5.6.2. */
export function isToken(text: string): boolean {
  return text.length > 0 && allIn(tokenTable, text, 0);
}

/** Whether every character of `text` from `start` is in `table`. */
export function allIn(table: Uint8Array, text: string, start: number): boolean {
  for (let at = start; at < text.length; at += 1) {
    if (table[text.charCodeAt(at)] !== 1) return false;
  }
  return true;
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
