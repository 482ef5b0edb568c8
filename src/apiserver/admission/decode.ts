import { ApiError } from '#api/meta/api-error.ts';
import { notExact, scanJsonFields } from '#apiserver/admission/json-fields.ts';
import { parseProtobuf } from '#apiserver/protobuf/protobuf-object.ts';
import { PROTOBUF } from '#apiserver/protobuf/wire-fields.ts';

/** Kubernetes' limit on a request's body; also what the HTTP server stops reading at. */
export const BODY_BYTES_MAX = 3 * 1024 * 1024;
/** Deeper than any kind nests; keeps recursive walks off the end of the stack. */
const DEPTH_MAX = 100;
/** Of all objects in a body together; the largest CustomResourceDefinitions in use have a third of it. */
const KEYS_MAX = 50_000;

export interface Decoded {
  readonly value: unknown;
  /** Paths of fields the text gives twice; the last one won. */
  readonly duplicates: readonly string[];
}

/** A request's body as a value. Throws the ApiError that says why it is none. */
export async function decodeBody(
  body: Uint8Array | string | undefined,
  contentType: string | undefined,
): Promise<Decoded> {
  const type = (contentType ?? 'application/json').split(';')[0]?.trim().toLowerCase();
  if (type === 'application/yaml' || type === 'application/x-yaml') return decodeYaml(textOf(body));
  if (type === 'application/json' || type === '' || type?.endsWith('+json')) {
    return decodeJson(textOf(body));
  }
  if (type === PROTOBUF) return { value: parseProtobuf(bytesOf(body)), duplicates: [] };
  throw new ApiError(
    'UnsupportedMediaType',
    'the body of the request was in an unknown format - accepted media types include: application/json, application/yaml',
  );
}

function limited(body: Uint8Array | string | undefined): Uint8Array | string {
  const bytes = body === undefined ? 0 : Buffer.byteLength(body);
  if (body === undefined || bytes === 0)
    throw new ApiError('BadRequest', 'the request has no body: an object was expected');
  if (bytes <= BODY_BYTES_MAX) return body;
  throw new ApiError('RequestEntityTooLarge', `limit is ${BODY_BYTES_MAX}`);
}

function bytesOf(given: Uint8Array | string | undefined): Uint8Array {
  const body = limited(given);
  return typeof body === 'string' ? Buffer.from(body) : body;
}

function textOf(given: Uint8Array | string | undefined): string {
  const body = limited(given);
  if (typeof body === 'string') return body;
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new ApiError('BadRequest', 'the body of the request is not valid UTF-8');
  }
}

function decodeJson(text: string): Decoded {
  try {
    return jsonFields(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ApiError('BadRequest', `couldn't parse the body as JSON: ${error.message}`);
  }
}

/** Throws SyntaxError for what is no JSON, and the ApiError that says what is too much of it. */
function jsonFields(text: string): Decoded {
  const { depth, keys, duplicates, inexact } = scanJsonFields(text, {
    depthMax: DEPTH_MAX,
    keysMax: KEYS_MAX,
  });
  if (depth > DEPTH_MAX) throw tooMuch(`nests too deep: at most ${DEPTH_MAX} levels`);
  if (keys > KEYS_MAX) throw tooMuch(`has too many fields: at most ${KEYS_MAX}`);
  const value: unknown = JSON.parse(text);
  if (inexact) throw notExact(inexact);
  // Only an escape can make half a character of what came as UTF-8; like Kubernetes, we keep a replacement for it.
  return { value: LONE_SURROGATE.test(text) ? wellFormed(value) : value, duplicates };
}

const LONE_SURROGATE = /\\u[dD][89a-fA-F]/;

/** `value` nests no deeper than DEPTH_MAX. */
function wellFormed(value: unknown): unknown {
  if (typeof value === 'string') return value.toWellFormed();
  if (Array.isArray(value)) return value.map(wellFormed);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key.toWellFormed(), wellFormed(inner)]),
  );
}

async function decodeYaml(text: string): Promise<Decoded> {
  // Clients that apply send JSON by this name, which is YAML too, and is read a hundred times as fast.
  if (/^\s*\{/.test(text)) {
    try {
      return jsonFields(text);
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  // Loaded when first needed: clients send YAML only by hand, and the parser is large.
  const { parseYaml } = await import('#apiserver/admission/yaml-fields.ts');
  const { json, duplicates } = parseYaml(text);
  // Through JSON, so that what YAML alone can say (dates, maps with other keys) is what JSON can.
  const decoded = decodeJson(json);
  return { value: decoded.value, duplicates };
}

function tooMuch(what: string): ApiError {
  return new ApiError('BadRequest', `the object ${what} are accepted`);
}
