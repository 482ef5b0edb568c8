import { ApiError } from '#api/meta/api-error.ts';
import { messageNameOf } from '#api/protobuf-fields.ts';
import { bytesOf, plainReader } from '#apiserver/protobuf/plain-value.ts';
import { readMessage } from '#apiserver/protobuf/read-message.ts';
import { malformed, PROTOBUF, wireFields } from '#apiserver/protobuf/wire-fields.ts';

const MAGIC = Buffer.from('k8s\0', 'latin1');

/**
 * The object in a body of Kubernetes' protobuf media type, as the same client would have sent it in JSON. Throws BadRequest
 * where it is no such object, UnsupportedMediaType where its kind is only known as JSON.
 */
export function parseProtobuf(body: Uint8Array): Record<string, unknown> {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (!bytes.subarray(0, MAGIC.length).equals(MAGIC)) {
    throw malformed('it does not begin with the four bytes that mark an object');
  }
  const { apiVersion, kind, content } = readEnvelope(bytes.subarray(MAGIC.length));
  if (!kind || !apiVersion) throw malformed('it names no apiVersion and kind');
  const name = messageNameOf(apiVersion, kind);
  if (name === undefined) {
    const message = `${kind} of ${apiVersion} is not accepted as ${PROTOBUF} - accepted media types include: application/json, application/yaml`;
    throw new ApiError('UnsupportedMediaType', message);
  }
  // A kind's own message is a struct in Go, and so an object.
  return { apiVersion, kind, ...(readMessage(content, name) as Record<string, unknown>) };
}

/** `runtime.Unknown`: 1 says what it is (`TypeMeta`: 1 apiVersion, 2 kind), 2 is the message of that kind. */
function readEnvelope(bytes: Uint8Array): {
  apiVersion: string | undefined;
  kind: string | undefined;
  content: Uint8Array;
} {
  const envelope = new Map(wireFields(bytes));
  const typeMeta = new Map(wireFields(bytesOf(envelope.get(1) ?? new Uint8Array())));
  const textAt = (number: number): string | undefined => {
    const content = typeMeta.get(number);
    return content === undefined ? undefined : String(plainReader('string')?.(content));
  };
  return {
    apiVersion: textAt(1),
    kind: textAt(2),
    content: bytesOf(envelope.get(2) ?? new Uint8Array()),
  };
}
