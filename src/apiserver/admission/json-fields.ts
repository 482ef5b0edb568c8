import { ApiError } from '#api/meta/api-error.ts';

/*
 * JSON.parse keeps the last of two equal keys and the nearest of a number without a word, and nests as deep and takes as many
 * keys as it is told. This pass goes before it and finds all that; it keeps its own stack, so that depth costs it nothing.
 */

export interface JsonFields {
  /** Paths of keys that an object has twice: `spec.containers[0].image`. */
  readonly duplicates: readonly string[];
  /** How deep arrays and objects nest, and how many keys all objects have; the pass ends where one is too much. */
  readonly depth: number;
  readonly keys: number;
  /** The first number that would come back as another one: a large integer, or what is too large for any number. */
  readonly inexact?: Inexact;
}

/** A number as it was written, and where. */
export interface Inexact {
  readonly path: string;
  readonly text: string;
}

type Frame =
  | { readonly keys: Set<string>; readonly path: string; key: string }
  | { readonly keys: undefined; readonly path: string; next: number };

/** What it finds in a text that is no JSON says nothing. Throws SyntaxError where a key is none. */
export function scanJsonFields(
  text: string,
  { depthMax, keysMax = Infinity }: { readonly depthMax: number; readonly keysMax?: number },
): JsonFields {
  const duplicates: string[] = [];
  const stack: Frame[] = [];
  let depth = 0;
  let keys = 0;
  let inexact: Inexact | undefined;
  let isKey = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at];
    const frame = stack.at(-1);
    if (char === '"') {
      const end = stringEnd(text, at);
      if (isKey && frame?.keys) {
        readKey(frame, keyOf(text, at, end), duplicates);
        isKey = false;
        keys += 1;
        if (keys > keysMax) break;
      }
      at = end;
    } else if (char === '{' || char === '[') {
      const path = frame ? childPath(frame) : '';
      stack.push(
        char === '{' ? { keys: new Set(), path, key: '' } : { keys: undefined, path, next: 0 },
      );
      isKey = char === '{';
      depth = Math.max(depth, stack.length);
      if (depth > depthMax) break;
    } else if (char === '}' || char === ']') {
      stack.pop();
      isKey = false;
    } else if (char === ',' && frame) {
      if (frame.keys) isKey = true;
      else frame.next += 1;
    } else if (isInNumber(text.charCodeAt(at))) {
      const end = numberEnd(text, at);
      if (!inexact && !isExact(text.slice(at, end))) {
        inexact = { path: frame ? childPath(frame) : '', text: text.slice(at, end) };
      }
      at = end - 1;
    }
  }
  return { duplicates, depth, keys, ...(inexact && { inexact }) };
}

export function notExact({ path, text }: Inexact): ApiError {
  return new ApiError(
    'BadRequest',
    `the number ${text} at ${path} cannot be kept as it is: whole numbers are exact up to ${Number.MAX_SAFE_INTEGER}, and others end at 1e308`,
  );
}

/** Of the string from `start` to `end`, its quotes. */
function keyOf(text: string, start: number, end: number): string {
  const key = text.slice(start + 1, end);
  // Control characters are for JSON.parse to refuse, as it will.
  return key.includes('\\') ? (JSON.parse(text.slice(start, end + 1)) as string) : key;
}

function readKey(frame: Extract<Frame, { key: string }>, key: string, duplicates: string[]): void {
  frame.key = key;
  const { size } = frame.keys;
  if (frame.keys.add(key).size === size) duplicates.push(childPath(frame));
}

function childPath(frame: Frame): string {
  if (!frame.keys) return `${frame.path}[${frame.next}]`;
  return frame.path === '' ? frame.key : `${frame.path}.${frame.key}`;
}

/** Where the string that begins at `start` ends: its closing quote. */
function stringEnd(text: string, start: number): number {
  for (let at = start + 1; ; at += 1) {
    at = text.indexOf('"', at);
    if (at < 0) return text.length;
    let backslashes = 0;
    while (text[at - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return at;
  }
}

function numberEnd(text: string, start: number): number {
  let at = start + 1;
  while (isInNumber(text.charCodeAt(at)) || text[at] === 'e' || text[at] === 'E') at += 1;
  return at;
}

/** Digits and `+ - .`; an exponent's letter only follows them. */
function isInNumber(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || code === 0x2b || code === 0x2d || code === 0x2e;
}

/** Fractions are rounded everywhere; whole numbers are not, and nothing becomes infinite. */
function isExact(text: string): boolean {
  const value = Number(text);
  return Number.isInteger(value) && !/[.eE]/.test(text)
    ? Number.isSafeInteger(value)
    : Number.isFinite(value);
}
