import assert from 'node:assert/strict';
import { test } from 'node:test';
import { embedded, message, string, strings } from '#base/protobuf-writer.ts';
import { hasReason } from '#api/meta/api-error.ts';
import { parseProtobuf } from '#apiserver/protobuf/protobuf-object.ts';

function body(apiVersion: string, kind: string, ...content: Uint8Array[]): Buffer {
  const typeMeta = message(string(1, apiVersion), string(2, kind));
  return Buffer.concat([
    Buffer.from('k8s\0', 'latin1'),
    message(embedded(1, typeMeta), embedded(2, message(...content))),
  ]);
}

const AUTHENTICATION = 'authentication.k8s.io/v1';
/** Field 4, a varint: 3600; then the empty string that Go writes for a field it does not set. */
const lifetime = Buffer.from([0x20, 0x90, 0x1c]);
const unset = Buffer.from([0x0a, 0x00]);
const entry = (number: number, key: string, value: string): Uint8Array =>
  embedded(number, message(string(1, key), string(2, value)));
/** Fields below 16 that hold small numbers. */
const number = (field: number, value: number): Buffer => Buffer.from([field * 8, value]);

test('protobuf: an object is read as JSON would say it', () => {
  const reference = message(unset, string(3, 'p'));
  const spec = message(strings(1, ['a', 'b']), embedded(3, reference), lifetime);
  assert.deepEqual(parseProtobuf(body(AUTHENTICATION, 'TokenRequest', embedded(2, spec))), {
    apiVersion: AUTHENTICATION,
    kind: 'TokenRequest',
    spec: { audiences: ['a', 'b'], boundObjectRef: { name: 'p' }, expirationSeconds: 3600 },
  });
});

test('protobuf: zeros stay where JSON has them, and are left out elsewhere', () => {
  const template = message(embedded(2, message(number(11, 0), string(8, ''))));
  const spec = message(number(1, 0), embedded(3, template), number(5, 0));
  const metadata = message(string(1, 'a'), number(7, 0), embedded(8, Buffer.alloc(0)));
  const read = parseProtobuf(
    body('apps/v1', 'Deployment', embedded(1, metadata), embedded(2, spec)),
  );
  assert.deepEqual(read, {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'a' },
    spec: { replicas: 0, template: { spec: {} } },
  });
});

test('protobuf: maps, bytes, times, quantities, ports and embedded structs', () => {
  const metadata = message(
    entry(11, 'app', 'x'),
    entry(11, '__proto__', 'y'),
    embedded(8, message(Buffer.from([0x08, 0x80, 0xa3, 0x05]))),
  );
  assert.deepEqual(
    parseProtobuf(body('v1', 'Secret', embedded(1, metadata), entry(2, 'key', 'value'))),
    {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        labels: JSON.parse('{"app":"x","__proto__":"y"}'),
        creationTimestamp: '1970-01-02T00:00:00Z',
      },
      data: { key: 'dmFsdWU=' },
    },
  );
  const port = (...target: Uint8Array[]): Buffer =>
    message(number(3, 80), embedded(4, message(...target)));
  const spec = embedded(
    2,
    message(
      embedded(1, port(number(1, 0), number(2, 0))),
      embedded(1, port(number(1, 1), string(3, 'http'))),
    ),
  );
  assert.deepEqual(parseProtobuf(body('v1', 'Service', spec))['spec'], {
    ports: [
      { port: 80, targetPort: 0 },
      { port: 80, targetPort: 'http' },
    ],
  });
  const quota = embedded(1, message(string(1, 'cpu'), embedded(2, message(string(1, '500m')))));
  assert.deepEqual(parseProtobuf(body('v1', 'ResourceQuota', embedded(2, quota)))['spec'], {
    hard: { cpu: '500m' },
  });
  const empty = embedded(2, message(embedded(2, message(string(1, '')))));
  const volume = message(string(1, 'v'), empty);
  const read = parseProtobuf(body('v1', 'Pod', embedded(2, message(embedded(1, volume)))));
  assert.deepEqual(read['spec'], { volumes: [{ name: 'v', emptyDir: {} }] });
});

test('protobuf: a schema that is one of several kinds of value', () => {
  const properties = embedded(
    29,
    message(string(1, 'a'), embedded(2, message(embedded(30, message(number(1, 0)))))),
  );
  const items = embedded(24, message(embedded(1, message(string(5, 'string')))));
  const fallback = embedded(8, message(string(1, '{"a":[1]}')));
  const schema = message(properties, items, fallback);
  const version = message(string(1, 'v1'), embedded(4, message(embedded(1, schema))));
  const read = parseProtobuf(
    body(
      'apiextensions.k8s.io/v1',
      'CustomResourceDefinition',
      embedded(2, embedded(7, version) as Buffer),
    ),
  );
  assert.deepEqual(read['spec'], {
    versions: [
      {
        name: 'v1',
        schema: {
          openAPIV3Schema: {
            properties: { a: { additionalProperties: false } },
            items: { type: 'string' },
            default: { a: [1] },
          },
        },
      },
    ],
  });
});

test('protobuf: options name the group version they are sent to', () => {
  const read = parseProtobuf(body('apps/v1', 'DeleteOptions', number(1, 0)));
  assert.equal(read['gracePeriodSeconds'], 0);
});

test('protobuf: fields nobody asked for are passed over', () => {
  const unknown = Buffer.from([
    0x99, 0x06, 1, 2, 3, 4, 5, 6, 7, 8, 0x9d, 0x06, 1, 2, 3, 4, 0x98, 0x06, 1,
  ]);
  const spec = embedded(2, message(unknown, string(1, 'token')));
  const read = parseProtobuf(body(AUTHENTICATION, 'TokenReview', spec));
  assert.deepEqual(read['spec'], { token: 'token' });
});

test('protobuf: a kind that is only known as JSON is said to be so', () => {
  assert.throws(
    () => parseProtobuf(body('serving.knative.dev/v1', 'Service')),
    (error) =>
      hasReason(error, 'UnsupportedMediaType') && /accepted media types/.test(error.message),
  );
});

test('protobuf: whatever the bytes are, the answer is an object or a bad request', () => {
  const spec = embedded(2, message(strings(1, ['a']), lifetime));
  const good = body(AUTHENTICATION, 'TokenRequest', spec);
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
      assert.equal(typeof parseProtobuf(input), 'object');
    } catch (error) {
      const isExpected = hasReason(error, 'BadRequest') || hasReason(error, 'UnsupportedMediaType');
      assert.ok(isExpected, `${Buffer.from(input).toString('hex')}: ${String(error)}`);
    }
  }
});

test('protobuf: no depth of nesting is too much to refuse', () => {
  let schema = message(string(5, 'object'));
  for (let level = 0; level < 200; level += 1) schema = message(embedded(28, schema));
  const version = message(embedded(4, message(embedded(1, schema))));
  assert.throws(
    () =>
      parseProtobuf(
        body(
          'apiextensions.k8s.io/v1',
          'CustomResourceDefinition',
          embedded(2, embedded(7, version) as Buffer),
        ),
      ),
    (error) => hasReason(error, 'BadRequest') && /nests deeper/.test(error.message),
  );
});
