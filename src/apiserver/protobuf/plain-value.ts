import { notExact, scanJsonFields } from '#apiserver/admission/json-fields.ts';
import {
  malformed,
  packedVarints,
  wireFields,
  type Content,
} from '#apiserver/protobuf/wire-fields.ts';

/** Deeper than any kind nests; keeps recursive walks off the end of the stack. */
export const DEPTH_MAX = 100;

/** Reads a value of a type that is no message of its own; undefined is what JSON has as null. */
type Read = (content: Content) => unknown;

const plain: Readonly<Record<string, Read>> = {
  string: (content) => textOf(bytesOf(content)),
  bool: (content) => numberOf(content) !== 0n,
  int: (content) => exactNumber(numberOf(content)),
  double: (content) => doubleOf(bytesOf(content)),
  bytes: (content) => Buffer.from(bytesOf(content)).toString('base64'),
  json: (content) => jsonOf(textOf(bytesOf(content))),
  time: (content) => timeOf(content, 0),
  microTime: (content) => timeOf(content, 6),
  duration: (content) => durationText(BigInt.asIntN(64, numberAt(content, 1))),
  quantity: (content) => textAt(content, 1) || '0',
  intOrString: (content) =>
    numberAt(content, 1) === 0n ? exactNumber(numberAt(content, 2)) : textAt(content, 3),
};

/** The reader of a type; undefined where the type is a message. */
export function plainReader(type: string): Read | undefined {
  return Object.hasOwn(plain, type) ? plain[type] : undefined;
}

/** Several values in one: only numbers are packed so. */
export function unpacked(content: Content, type: string): readonly Content[] {
  const isPacked = (type === 'int' || type === 'bool') && typeof content !== 'bigint';
  return isPacked ? [...packedVarints(content)] : [content];
}

export function bytesOf(content: Content): Uint8Array {
  if (typeof content !== 'bigint') return content;
  throw malformed('a field holds a number where its message has something else');
}

function numberOf(content: Content): bigint {
  if (typeof content === 'bigint') return content;
  throw malformed('a field holds no number where its message has one');
}

function exactNumber(content: bigint): number {
  const value = BigInt.asIntN(64, content);
  if (Number.isSafeInteger(Number(value))) return Number(value);
  throw malformed(
    `the number ${value} cannot be kept as it is: whole numbers are exact up to ${Number.MAX_SAFE_INTEGER}`,
  );
}

function doubleOf(bytes: Uint8Array): number {
  if (bytes.length !== 8) throw malformed('a floating-point number has not eight bytes');
  return Buffer.from(bytes).readDoubleLE();
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw malformed('a text is not valid UTF-8');
  }
}

function jsonOf(text: string): unknown {
  if (text === '') return undefined;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw malformed(`a raw value is not JSON: ${error.message}`);
  }
  const { depth, inexact } = scanJsonFields(text, { depthMax: DEPTH_MAX });
  if (inexact) throw notExact(inexact);
  if (depth <= DEPTH_MAX) return value;
  throw malformed(`a raw value nests deeper than ${DEPTH_MAX} levels`);
}

function numberAt(content: Content, wanted: number): bigint {
  const found = [...wireFields(bytesOf(content))].findLast(([number]) => number === wanted);
  return found ? numberOf(found[1]) : 0n;
}

function textAt(content: Content, wanted: number): string {
  const found = [...wireFields(bytesOf(content))].findLast(([number]) => number === wanted);
  return found ? textOf(bytesOf(found[1])) : '';
}

/** Seconds and nanoseconds since 1970 as RFC 3339. No time at all is an empty message. */
function timeOf(content: Content, digits: 0 | 6): string | undefined {
  if (bytesOf(content).length === 0) return undefined;
  const at = new Date(Number(BigInt.asIntN(64, numberAt(content, 1))) * 1000);
  if (Number.isNaN(at.getTime())) throw malformed('a time is out of range');
  const seconds = at.toISOString().slice(0, -'.000Z'.length);
  if (digits === 0) return `${seconds}Z`;
  const nanos = Number(BigInt.asIntN(64, numberAt(content, 2)));
  return `${seconds}.${String(Math.floor(nanos / 1000)).padStart(digits, '0')}Z`;
}

/** As Go writes durations: `1h0m0s`, `1.5s`, `250ms`. */
function durationText(nanos: bigint): string {
  if (nanos < 0n) return `-${durationText(-nanos)}`;
  if (nanos === 0n) return '0s';
  for (const [unit, size] of [
    ['ns', 1n],
    ['µs', 1000n],
    ['ms', 1_000_000n],
  ] as const) {
    if (nanos < size * 1000n) return `${decimal(nanos, size)}${unit}`;
  }
  const minutes = nanos / 60_000_000_000n;
  const seconds = `${decimal(nanos % 60_000_000_000n, 1_000_000_000n)}s`;
  if (minutes === 0n) return seconds;
  return minutes < 60n ? `${minutes}m${seconds}` : `${minutes / 60n}h${minutes % 60n}m${seconds}`;
}

function decimal(value: bigint, size: bigint): string {
  const digits = String(size).length - 1;
  const fraction = String(value % size)
    .padStart(digits, '0')
    .replace(/0+$/, '');
  return fraction === '' || digits === 0 ? String(value / size) : `${value / size}.${fraction}`;
}
