/*
 * The wire format of Protocol Buffers (protobuf.dev/programming-guides/encoding), as far as OpenAPI and OTLP need it:
 * a message is its fields one after another, each a number, a wire type and a value. Absent fields are written as nothing.
 */

const VARINT = 0;
const FIXED64 = 1;
const LENGTH_DELIMITED = 2;

export function message(...fields: readonly Uint8Array[]): Buffer {
  return Buffer.concat(fields);
}

export function string(field: number, value: string | undefined): Uint8Array {
  return value === undefined || value === '' ? nothing : bytes(field, Buffer.from(value, 'utf8'));
}

export function strings(field: number, values: readonly string[] | undefined): Uint8Array {
  return Buffer.concat((values ?? []).map((value) => bytes(field, Buffer.from(value, 'utf8'))));
}

export function isTrue(field: number, value: boolean | undefined): Uint8Array {
  return value ? Buffer.concat([tag(field, VARINT), varint(1)]) : nothing;
}

/** A whole number from 0 to 2^53; 0 is written too. */
export function integer(field: number, value: number): Uint8Array {
  return Buffer.concat([tag(field, VARINT), varint(value)]);
}

export function double(field: number, value: number): Uint8Array {
  return Buffer.concat([tag(field, FIXED64), doubleBytes(value)]);
}

export function fixed64(field: number, value: bigint): Uint8Array {
  return Buffer.concat([tag(field, FIXED64), fixedBytes(value)]);
}

/** Many numbers in one field. */
export function packedDoubles(field: number, values: Iterable<number>): Uint8Array {
  return bytes(field, Buffer.concat(Array.from(values, doubleBytes)));
}

export function packedFixed64(field: number, values: Iterable<number>): Uint8Array {
  return bytes(field, Buffer.concat(Array.from(values, (value) => fixedBytes(BigInt(value)))));
}

/** A message within a message. */
export function embedded(field: number, value: Uint8Array | undefined): Uint8Array {
  return value === undefined ? nothing : bytes(field, value);
}

export function repeated<T>(
  field: number,
  values: Iterable<T> | undefined,
  write: (value: T) => Uint8Array,
): Uint8Array {
  return Buffer.concat(Array.from(values ?? [], (value) => bytes(field, write(value))));
}

const nothing = Buffer.alloc(0);

function doubleBytes(value: number): Buffer {
  const found = Buffer.alloc(8);
  found.writeDoubleLE(value);
  return found;
}

function fixedBytes(value: bigint): Buffer {
  const found = Buffer.alloc(8);
  found.writeBigUInt64LE(value);
  return found;
}

export function bytes(field: number, value: Uint8Array): Buffer {
  return Buffer.concat([tag(field, LENGTH_DELIMITED), varint(value.length), value]);
}

function tag(field: number, wireType: number): Buffer {
  return varint(field * 8 + wireType);
}

/** Seven bits a byte, the lowest first; the eighth says that more follow. */
function varint(value: number): Buffer {
  const found: number[] = [];
  let left = value;
  for (; left > 0x7f; left = Math.floor(left / 128)) found.push((left & 0x7f) | 0x80);
  return Buffer.from([...found, left]);
}
