import { ApiError } from '#api/meta/api-error.ts';

/** Kubernetes' media type for objects in Protocol Buffers; kubectl's typed commands send nothing else. */
export const PROTOBUF = 'application/vnd.kubernetes.protobuf';

/** A field's name in JSON and what it holds: text, a whole number, or the message of that name; `[]`: any number of them. */
type Field = readonly [name: string, holds: string];
/** By the message's name, then by the field's number. Fields that are not in it are passed over. */
export type Messages = Readonly<Record<string, Readonly<Record<number, Field>>>>;

const MAGIC = Buffer.from('k8s\0', 'latin1');
/** `runtime.Unknown`: what every object is wrapped in. Its content is a message of the kind that it names. */
const ENVELOPE: Messages = {
  Unknown: { 1: ['typeMeta', 'TypeMeta'], 2: ['raw', 'bytes'] },
  TypeMeta: { 1: ['apiVersion', 'string'], 2: ['kind', 'string'] },
};

/**
 * The object in a body of the media type above, as JSON would say it: Go's zero values, which are always written, are left
 * out. Throws BadRequest where it is no such object, UnsupportedMediaType where `messages` does not have its kind.
 */
export function parseProtobuf(body: Uint8Array, messages: Messages): Record<string, unknown> {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw malformed('it does not begin with the four bytes that mark an object');
  }
  const envelope = readMessage(bytes.subarray(MAGIC.length), 'Unknown', ENVELOPE);
  const { typeMeta, raw } = envelope;
  // A message when it is there: the table above says so.
  const { apiVersion, kind } = (typeMeta ?? {}) as Readonly<Record<string, unknown>>;
  if (typeof kind !== 'string' || typeof apiVersion !== 'string') {
    throw malformed('it names no apiVersion and kind');
  }
  if (!Object.hasOwn(messages, kind)) {
    const message = `${kind} of ${apiVersion} is not accepted as ${PROTOBUF} - accepted media types include: application/json, application/yaml`;
    throw new ApiError('UnsupportedMediaType', message);
  }
  const content = raw instanceof Uint8Array ? raw : new Uint8Array();
  return { apiVersion, kind, ...readMessage(content, kind, messages) };
}

function readMessage(bytes: Uint8Array, name: string, messages: Messages): Record<string, unknown> {
  const found: Record<string, unknown> = {};
  for (const [number, content] of fieldsOf(bytes)) {
    const field = messages[name]?.[number];
    if (!field) continue;
    const [property, holds] = field;
    const isRepeated = holds.endsWith('[]');
    const value = valueOf(content, holds.replace('[]', ''), messages);
    if (isRepeated) {
      const before = found[property];
      found[property] = [...(Array.isArray(before) ? (before as unknown[]) : []), value];
    } else if (value !== '' && value !== 0) {
      found[property] = value;
    }
  }
  return found;
}

function valueOf(content: bigint | Uint8Array, holds: string, messages: Messages): unknown {
  if (holds === 'integer' && typeof content === 'bigint') {
    return Number(BigInt.asIntN(64, content));
  }
  if (typeof content === 'bigint' || holds === 'integer') {
    throw malformed('a field is of another wire type than its message says');
  }
  if (holds === 'bytes') return content;
  if (holds === 'string') return Buffer.from(content).toString('utf8');
  return readMessage(content, holds, messages);
}

/** The fields of a message in their order: numbers as bigint, everything with a length as its bytes. */
function* fieldsOf(bytes: Uint8Array): Generator<[number: number, content: bigint | Uint8Array]> {
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = bytes[at];
      if (byte === undefined) throw malformed('it ends within a number');
      at += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw malformed('a number has more than ten bytes');
  };
  const take = (length: number): Uint8Array => {
    if (at + length > bytes.length) throw malformed('it ends within a field');
    at += length;
    return bytes.subarray(at - length, at);
  };
  while (at < bytes.length) {
    const tag = Number(varint());
    const number = Math.floor(tag / 8);
    switch (tag % 8) {
      case 0:
        yield [number, varint()];
        break;
      case 1:
        yield [number, take(8)];
        break;
      case 2:
        yield [number, take(Number(varint()))];
        break;
      case 5:
        yield [number, take(4)];
        break;
      default:
        throw malformed('a field has a wire type that is not in use');
    }
  }
}

function malformed(why: string): ApiError {
  return new ApiError('BadRequest', `the body is no object in ${PROTOBUF}: ${why}`);
}
