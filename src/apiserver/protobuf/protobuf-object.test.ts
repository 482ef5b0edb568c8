import assert from 'node:assert/strict';
import { test } from 'node:test';
import { embedded, message, string, strings } from '#apiserver/openapi/protobuf-writer.ts';
import { hasReason } from '#api/meta/api-error.ts';
import { parseProtobuf } from '#apiserver/protobuf/protobuf-object.ts';
import { reviewMessages } from '#apiserver/protobuf/review-messages.ts';

function body(kind: string, content: Uint8Array): Buffer {
  const typeMeta = message(string(1, 'authentication.k8s.io/v1'), string(2, kind));
  return Buffer.concat([
    Buffer.from('k8s\0', 'latin1'),
    message(embedded(1, typeMeta), embedded(2, content)),
  ]);
}

/** Field 4, a varint: 3600; then the empty string that Go writes for a field it does not set. */
const lifetime = Buffer.from([0x20, 0x90, 0x1c]);
const unset = Buffer.from([0x0a, 0x00]);

test('protobuf: an object is read as JSON would say it', () => {
  const reference = message(unset, string(3, 'p'));
  const spec = message(strings(1, ['a', 'b']), embedded(3, reference), lifetime);
  assert.deepEqual(
    parseProtobuf(body('TokenRequest', embedded(2, spec) as Buffer), reviewMessages),
    {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        audiences: ['a', 'b'],
        boundObjectRef: { name: 'p' },
        expirationSeconds: 3600,
      },
    },
  );
});

test('protobuf: fields nobody asked for are passed over', () => {
  const unknown = Buffer.from([
    0x99, 0x06, 1, 2, 3, 4, 5, 6, 7, 8, 0x9d, 0x06, 1, 2, 3, 4, 0x98, 0x06, 1,
  ]);
  const spec = embedded(2, message(unknown, string(1, 'token')));
  const read = parseProtobuf(body('TokenReview', Buffer.from(spec)), reviewMessages);
  assert.deepEqual(read['spec'], { token: 'token' });
});

test('protobuf: a kind that is only known as JSON is said to be so', () => {
  assert.throws(
    () => parseProtobuf(body('Pod', Buffer.alloc(0)), reviewMessages),
    (error) =>
      hasReason(error, 'UnsupportedMediaType') && /accepted media types/.test(error.message),
  );
});

test('protobuf: whatever the bytes are, the answer is an object or a bad request', () => {
  const good = body('TokenRequest', Buffer.from(embedded(2, message(strings(1, ['a']), lifetime))));
  const inputs: Uint8Array[] = [
    Buffer.alloc(0),
    Buffer.from('{}'),
    Buffer.from('k8s\0\xff\xff', 'latin1'),
  ];
  for (let cut = 0; cut < good.length; cut += 1) inputs.push(good.subarray(0, cut));
  for (let index = 4; index < good.length; index += 1) {
    for (const byte of [0x00, 0x7f, 0x80, 0xff]) {
      const changed = Buffer.from(good);
      changed[index] = byte;
      inputs.push(changed);
    }
  }
  for (const input of inputs) {
    try {
      assert.equal(typeof parseProtobuf(input, reviewMessages), 'object');
    } catch (error) {
      const isExpected = hasReason(error, 'BadRequest') || hasReason(error, 'UnsupportedMediaType');
      assert.ok(isExpected, `${Buffer.from(input).toString('hex')}: ${String(error)}`);
    }
  }
});
