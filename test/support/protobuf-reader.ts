/** A Protocol Buffers message, read field by field, to look into what was written. */
export interface Message {
  text(field: number): string;
  /** The first of the field; an empty one where there is none. */
  message(field: number): Message;
  messages(field: number): readonly Message[];
  /** Of the field, in order: varints, or 64 bits read as a whole number. */
  integers(field: number): readonly number[];
  /** Of the field, in order: 64 bits read as a double. */
  doubles(field: number): readonly number[];
  /** The first of the field. */
  bytes(field: number): Buffer;
}

export function readMessage(bytes: Uint8Array): Message {
  const found: [field: number, value: Uint8Array][] = [];
  const numbers: [field: number, integer: number, double: number][] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let shift = 1; ; shift *= 128) {
      const byte = bytes[at];
      if (byte === undefined) throw new RangeError('a message ends within a number');
      at += 1;
      value += (byte & 0x7f) * shift;
      if (byte < 0x80) return value;
    }
  };
  while (at < bytes.length) {
    const tag = varint();
    const length = tag % 8 === 2 ? varint() : 0;
    if (tag % 8 === 0) numbers.push([Math.floor(tag / 8), varint(), Number.NaN]);
    if (tag % 8 === 1) {
      const view = new DataView(bytes.buffer, bytes.byteOffset + at, 8);
      const integer = Number(view.getBigUint64(0, true));
      numbers.push([Math.floor(tag / 8), integer, view.getFloat64(0, true)]);
      at += 8;
    }
    if (at + length > bytes.length) throw new RangeError('a message ends within a field');
    if (tag % 8 === 2) found.push([Math.floor(tag / 8), bytes.subarray(at, at + length)]);
    at += length;
  }
  const of = (field: number): Uint8Array[] =>
    found.filter(([each]) => each === field).map(([, value]) => value);
  return {
    text: (field) => Buffer.from(of(field)[0] ?? []).toString('utf8'),
    message: (field) => readMessage(of(field)[0] ?? new Uint8Array()),
    messages: (field) => of(field).map(readMessage),
    integers: (field) => numbers.filter(([each]) => each === field).map(([, value]) => value),
    doubles: (field) => numbers.filter(([each]) => each === field).map(([, , value]) => value),
    bytes: (field) => Buffer.from(of(field)[0] ?? []),
  };
}
