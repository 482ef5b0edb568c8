/*
 * ITU-T X.690 (DER), as far as an X.509 certificate needs it: every value is a tag, a length and its content.
 */

export function sequence(...values: readonly Uint8Array[]): Buffer {
  return tagged(0x30, ...values);
}

export function set(...values: readonly Uint8Array[]): Buffer {
  return tagged(0x31, ...values);
}

/** A number that is not negative, from its big-endian bytes or itself. */
export function integer(value: number | Uint8Array): Buffer {
  const bytes = typeof value === 'number' ? Buffer.from([value]) : Buffer.from(value);
  // Without leading zeros, but one where the first bit would make it negative (X.690 §8.3).
  const first = bytes.findIndex((byte) => byte !== 0);
  const digits = first < 0 ? Buffer.from([0]) : bytes.subarray(first);
  const isSigned = ((digits[0] ?? 0) & 0x80) !== 0;
  return tagged(0x02, ...(isSigned ? [Buffer.from([0])] : []), digits);
}

export function boolean(value: 'true' | 'false'): Buffer {
  return tagged(0x01, Buffer.from([value === 'true' ? 0xff : 0x00]));
}

/** From its dotted form: `2.5.29.15` (X.690 §8.19). */
export function objectIdentifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  const bytes = [first * 40 + second, ...rest].flatMap((arc) => {
    const groups = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) {
      groups.unshift((left & 0x7f) | 0x80);
    }
    return groups;
  });
  return tagged(0x06, Buffer.from(bytes));
}

export function utf8String(text: string): Buffer {
  return tagged(0x0c, Buffer.from(text, 'utf8'));
}

export function octetString(content: Uint8Array): Buffer {
  return tagged(0x04, content);
}

/** `unusedBits` of the last byte do not count. */
export function bitString(content: Uint8Array, unusedBits = 0): Buffer {
  return tagged(0x03, Buffer.from([unusedBits]), content);
}

/** Whole seconds; UTCTime up to the year 2049 and GeneralizedTime after it (RFC 5280 §4.1.2.5). */
export function time(value: Date): Buffer {
  const text = `${value.toISOString().replaceAll(/[-:T]|\.\d+/g, '')}`;
  const isShort = value.getUTCFullYear() < 2050;
  return tagged(isShort ? 0x17 : 0x18, Buffer.from(isShort ? text.slice(2) : text, 'latin1'));
}

/** A context-specific value: `[2] "localhost"`. */
export function context(
  number: number,
  form: 'primitive' | 'constructed',
  content: Uint8Array,
): Buffer {
  return tagged(0x80 | (form === 'constructed' ? 0x20 : 0) | number, content);
}

function tagged(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(contents);
  return Buffer.concat([Buffer.from([tag, ...lengthOf(content.length)]), content]);
}

function lengthOf(length: number): number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let left = length; left > 0; left = Math.floor(left / 256)) bytes.unshift(left & 0xff);
  return [0x80 | bytes.length, ...bytes];
}
