import { parseQuantity, renderQuantity } from '#api/meta/quantity.ts';

/*
 * Kubernetes' server decodes amounts and times into types of their own, and tells them again in one form: what was written
 * as `1000m` is read as `1`. Whoever compares what is stored with what was written finds the same here.
 */

/** Throws RangeError, with words of Kubernetes', where the text is no quantity. */
export function canonicalQuantity(text: string): string {
  if (CANONICAL.test(text)) return text;
  const trimmed = text.trim();
  return EXPONENT.test(trimmed) ? exponentText(trimmed) : capped(parseQuantity(trimmed));
}

/** The same of a resource list, whose amounts Kubernetes rounds up to thousandths. */
export function canonicalAmount(text: string): string {
  if (CANONICAL.test(text)) return text;
  const { nano } = parseQuantity(text.trim());
  const rest = nano % MILLI;
  if (rest === 0n) return canonicalQuantity(text);
  const up = nano > 0n ? MILLI - rest : -MILLI - rest;
  return renderQuantity({ nano: nano + up, isBinary: false });
}

/** `2026-01-01T00:00:00Z`: UTC, without fractions. Throws RangeError where the text is no time of RFC 3339. */
export function canonicalTime(text: string): string {
  return `${secondsOf(text).seconds}Z`;
}

/** `2026-01-01T00:00:00.000000Z` */
export function canonicalMicroTime(text: string): string {
  const { seconds, fraction } = secondsOf(text);
  return `${seconds}.${fraction.padEnd(6, '0').slice(0, 6)}Z`;
}

/**
 * What is bytes in Go, in JSON: base64 without line breaks. Throws RangeError where the text is none; it tells where, and
 * not what, since it may be a secret that somebody forgot to encode.
 */
export function canonicalBytes(text: string): string {
  const bare = text.replaceAll(/[\r\n]/g, '');
  const end = bare.search(/[^A-Za-z0-9+/]/);
  const digits = end < 0 ? bare.length : end;
  const isWhole = bare.length % 4 === 0 && bare.length - digits <= 2;
  if (isWhole && /^=*$/.test(bare.slice(digits))) return bare;
  const at = end < 0 ? digits - (digits % 4) : digits;
  throw new RangeError(`illegal base64 data at input byte ${at}`);
}

/** Most amounts that people write. */
const CANONICAL = /^[1-9]\d{0,2}(?:m|k|[KMGT]i?)?$/;
const EXPONENT = /^[^eE]+[eE][+-]?\d+$/;
const NANO = 1_000_000_000n;
const MILLI = 1_000_000n;
/** What does not fit 64 bits, Kubernetes caps where it is written with Ki, Mi, Gi… */
const BINARY_MAX = 2n ** 63n - 1n;

function capped(quantity: { readonly nano: bigint; readonly isBinary: boolean }): string {
  const { nano, isBinary } = quantity;
  if (!isBinary || (nano <= BINARY_MAX * NANO && nano >= -BINARY_MAX * NANO)) {
    return renderQuantity(quantity);
  }
  return String(nano > 0n ? BINARY_MAX : -BINARY_MAX);
}

/** What is written with an exponent keeps one, a multiple of three. */
function exponentText(text: string): string {
  let { nano: amount } = parseQuantity(text);
  if (amount === 0n) return '0';
  let exponent = -9;
  while (amount % 1000n === 0n) {
    amount /= 1000n;
    exponent += 3;
  }
  return exponent === 0 ? String(amount) : `${amount}e${exponent}`;
}

const TIME =
  /^(?<local>\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(?<fraction>\d+))?(?:Z|(?<sign>[+-])(?<hours>\d{2}):(?<minutes>\d{2}))$/;

function secondsOf(text: string): { seconds: string; fraction: string } {
  const groups = TIME.exec(text)?.groups;
  const { local = '', fraction = '', sign, hours, minutes } = groups ?? {};
  const atMs = Date.parse(`${local}Z`);
  // Date takes the 31st of a month that has 30 days for the first of the next.
  if (Number.isNaN(atMs) || secondsText(atMs) !== local) {
    throw new RangeError(
      `parsing time ${JSON.stringify(text)} as "2006-01-02T15:04:05Z07:00": cannot parse it`,
    );
  }
  if (!sign) return { seconds: local, fraction };
  const offsetMs = (Number(hours) * 60 + Number(minutes)) * 60_000;
  return { seconds: secondsText(sign === '+' ? atMs - offsetMs : atMs + offsetMs), fraction };
}

function secondsText(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, -'.000Z'.length);
}
