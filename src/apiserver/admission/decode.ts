import { ApiError } from '#api/meta/api-error.ts';
import { scanJsonFields } from '#apiserver/admission/json-fields.ts';
import { parseProtobuf } from '#apiserver/protobuf/protobuf-object.ts';
import { PROTOBUF } from '#apiserver/protobuf/wire-fields.ts';

/** Kubernetes' limit on a request's body; also what the HTTP server stops reading at. */
export const BODY_BYTES_MAX = 3 * 1024 * 1024;
/** Deeper than any kind nests; keeps recursive walks off the end of the stack. */
const DEPTH_MAX = 100;
/** An alias may repeat a value; the sum is bounded so that ten lines cannot become a gigabyte. */
const YAML_ALIASES_MAX = 100;

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
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new ApiError('BadRequest', `couldn't parse the body as JSON: ${error.message}`);
  }
  const { duplicates, depth } = scanJsonFields(text, DEPTH_MAX);
  refuseDepth(depth);
  return { value, duplicates };
}

async function decodeYaml(text: string): Promise<Decoded> {
  // Loaded when first needed: clients send YAML only by hand, and the parser is large.
  const { parseDocument } = await import('yaml');
  const document = parseDocument(text, { uniqueKeys: false, version: '1.2' });
  const problem = document.errors[0];
  if (problem)
    throw new ApiError('BadRequest', `error converting YAML to JSON: ${problem.message}`);
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: YAML_ALIASES_MAX });
  } catch (error) {
    if (!(error instanceof ReferenceError)) throw error;
    throw new ApiError('BadRequest', `error converting YAML to JSON: ${error.message}`);
  }
  // Through JSON again, so that what YAML alone can say (dates, maps with other keys) is what JSON can.
  return decodeJson(JSON.stringify(value) ?? 'null');
}

function refuseDepth(depth: number): void {
  if (depth <= DEPTH_MAX) return;
  throw new ApiError(
    'BadRequest',
    `the object nests too deep: at most ${DEPTH_MAX} levels are accepted`,
  );
}
