import { ApiError } from '#api/meta/api-error.ts';

/** Kubernetes' media type for objects in Protocol Buffers; kubectl's typed commands send nothing else. */
export const PROTOBUF = 'application/vnd.kubernetes.protobuf';

/** A varint as a number of 64 bits without sign; everything else as its bytes. */
export type Content = bigint | Uint8Array;

/** The fields of a message in their order. Throws BadRequest where the bytes are no message. */
export function* wireFields(bytes: Uint8Array): Generator<[number: number, content: Content]> {
  const reader = new WireReader(bytes);
  while (!reader.isAtEnd) {
    const tag = Number(reader.varint());
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        yield [number, reader.varint()];
        break;
      case 1:
        yield [number, reader.take(8)];
        break;
      case 2:
        yield [number, reader.take(Number(reader.varint()))];
        break;
      case 5:
        yield [number, reader.take(4)];
        break;
      default:
        throw malformed('a field has a wire type that is not in use');
    }
  }
}

/** Numbers one after the other: a packed list. */
export function* packedVarints(bytes: Uint8Array): Generator<bigint> {
  const reader = new WireReader(bytes);
  while (!reader.isAtEnd) yield reader.varint();
}

class WireReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#bytes[this.#at];
      if (byte === undefined) throw malformed('it ends within a number');
      this.#at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw malformed('a number has more than ten bytes');
  }

  take(length: number): Uint8Array {
    const end = this.#at + length;
    if (end > this.#bytes.length) throw malformed('it ends within a field');
    const taken = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return taken;
  }
}

export function malformed(why: string): ApiError {
  return new ApiError('BadRequest', `the body is no object in ${PROTOBUF}: ${why}`);
}
