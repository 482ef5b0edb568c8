import { messageFields } from '#api/protobuf-fields.ts';
import { bytesOf, DEPTH_MAX, plainReader, unpacked } from '#apiserver/protobuf/plain-value.ts';
import { malformed, wireFields, type Content } from '#apiserver/protobuf/wire-fields.ts';

/**
 * The message of a full name as its sender would have written it in JSON: fields it does not have are passed over, and a
 * zero, which Go always writes, is left out where JSON leaves it out. Throws BadRequest where the bytes are no such message.
 */
export function readMessage(bytes: Uint8Array, name: string, depth = 0): unknown {
  if (depth > DEPTH_MAX) throw malformed(`it nests deeper than ${DEPTH_MAX} levels`);
  const fields = messageFields(name) ?? {};
  const found = new Map<string, unknown>();
  let itself: unknown;
  for (const [number, content] of wireFields(bytes)) {
    const [property, type] = fields[number] ?? [];
    if (property === undefined || type === undefined) continue;
    if (property === '') {
      const value = valueOf(content, { type, before: itself, depth });
      const isEmbedded = isObject(value) && messageFields(type) !== undefined;
      if (isEmbedded) for (const [inner, each] of Object.entries(value)) found.set(inner, each);
      itself = isEmbedded ? undefined : value;
    } else {
      const value = valueOf(content, { type, before: found.get(property), depth });
      if (value !== undefined && !isOmitted(value, type)) found.set(property, value);
    }
  }
  // fromEntries defines its fields, so that one called __proto__ is a field like any other.
  return itself === undefined ? Object.fromEntries(found) : itself;
}

interface Place {
  readonly type: string;
  /** What this field held until now: lists and maps come one element at a time. */
  readonly before: unknown;
  readonly depth: number;
}

function valueOf(content: Content, { type, before, depth }: Place): unknown {
  const read = (each: Content, holds: string): unknown =>
    plainReader(holds)?.(each) ?? readNested(each, holds, depth);
  if (type.startsWith('[]')) {
    const holds = type.slice(2);
    // Only what this function has made is ever there.
    const list = Array.isArray(before) ? (before as unknown[]) : [];
    for (const each of unpacked(content, holds)) list.push(read(each, holds));
    return list;
  }
  if (type.startsWith('{}')) {
    const map = isObject(before) ? before : {};
    const [key, value] = entryOf(content, (each) => read(each, type.slice(2)));
    Object.defineProperty(map, key, {
      value,
      enumerable: true,
      writable: true,
      configurable: true,
    });
    return map;
  }
  return read(content, type.replace('*', ''));
}

function readNested(content: Content, type: string, depth: number): unknown {
  return plainReader(type) ? undefined : readMessage(bytesOf(content), type, depth + 1);
}

/** An entry of a map is a message: 1 the key, 2 the value, each left out where it is empty. */
function entryOf(content: Content, read: (content: Content) => unknown): [string, unknown] {
  let key = '';
  let value: Content = new Uint8Array();
  for (const [number, each] of wireFields(bytesOf(content))) {
    if (number === 1) key = String(plainReader('string')?.(each));
    if (number === 2) value = each;
  }
  return [key, read(value)];
}

/** A zero of these says nothing; with `*` before its type, and of an int-or-string, it is a value. */
function isOmitted(value: unknown, type: string): boolean {
  if (!['string', 'bool', 'int', 'double', 'bytes'].includes(type)) return false;
  return value === '' || value === 0 || value === false;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
