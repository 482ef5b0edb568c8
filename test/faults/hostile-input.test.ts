import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HttpRequest } from '#base/http-message.ts';
import { bodyText } from '#base/http-message.ts';
import { httpsTransport } from '#client/https-transport.ts';
import { reportFault, scaled, timesText } from '#test/support/fault-report.ts';
import { megabytes, settledMemory } from '#test/support/memory.ts';
import { serveCluster } from '#test/support/served.ts';

const ROUNDS = scaled(50);
const WARM_ROUNDS = 10;
const GROWTH_BYTES_MAX = 20 * 1024 ** 2;
const MAPS = '/api/v1/namespaces/default/configmaps';
const KEYS = 'a: &a [x,x,x,x,x,x,x,x,x]';

interface Attack {
  readonly what: string;
  readonly body: string | Uint8Array;
  readonly type?: string;
  readonly method?: string;
  readonly target?: string;
  readonly status: number;
  /** Of the Status' message: why, and where. */
  readonly says: RegExp;
}

const nested = (depth: number): string => `${'['.repeat(depth)}${']'.repeat(depth)}`;
const map = (data: string): string => `{"metadata":{"name":"a"},"data":{${data}}}`;
const meta = (fields: string): string => `{"metadata":{"name":"a",${fields}}}`;
const many = (count: number, value: string): string =>
  Array.from({ length: count }, (_, n) => `"k${n}":${value}`).join();
const bomb = [
  KEYS,
  ...'bcdefghi'
    .split('')
    .map((name, at) => `${name}: &${name} [${`*${'abcdefgh'[at]},`.repeat(8)}*${'abcdefgh'[at]}]`),
].join('\n');
const mergeBomb = `base: &base {${'x: 1, '.repeat(3)}y: 2}\n${Array.from({ length: 200 }, (_, n) => `k${n}: {<<: [${'*base, '.repeat(50)}*base]}`).join('\n')}`;

const attacks: readonly Attack[] = [
  { what: 'YAML: billion laughs', body: bomb, type: 'yaml', status: 400, says: /alias/ },
  { what: 'YAML: merge keys', body: mergeBomb, type: 'yaml', status: 400, says: /alias/ },
  {
    what: 'YAML: 100,000 levels',
    body: '['.repeat(100_000),
    type: 'yaml',
    status: 413,
    says: /more than 20000/,
  },
  { what: 'YAML: 101 levels', body: `a: ${nested(101)}`, type: 'yaml', status: 400, says: /deep/ },
  {
    what: 'YAML: NaN',
    body: 'metadata: {generation: .nan}',
    type: 'yaml',
    status: 400,
    says: /metadata.generation/,
  },
  {
    what: 'YAML: infinity',
    body: 'metadata: {generation: -.inf}',
    type: 'yaml',
    status: 400,
    says: /metadata.generation/,
  },
  {
    what: 'YAML: two documents',
    body: 'a: 1\n---\nb: 2\n',
    type: 'yaml',
    status: 400,
    says: /document/,
  },
  {
    what: 'YAML: a tag',
    body: 'a: !!js/function "x"\nmetadata: {name: 1}',
    type: 'yaml',
    status: 400,
    says: /metadata.name/,
  },
  { what: 'JSON: 101 levels', body: `{"x":${nested(101)}}`, status: 400, says: /nests too deep/ },
  { what: 'JSON: a million levels', body: '['.repeat(1_000_000), status: 400, says: /deep|JSON/ },
  {
    what: 'JSON: a key twice',
    body: map('"a":"1","a":"2"'),
    target: `${MAPS}?fieldValidation=Strict`,
    status: 400,
    says: /duplicate field "data.a"/,
  },
  {
    what: 'JSON: an unknown field',
    body: '{"metadata":{"name":"a"},"spec":1}',
    target: `${MAPS}?fieldValidation=Strict`,
    status: 400,
    says: /unknown field "spec"/,
  },
  {
    what: 'JSON: 2 MiB',
    body: map(`"a":"${'x'.repeat(2 ** 21)}"`),
    status: 413,
    says: /too large/,
  },
  {
    what: 'JSON: above 3 MiB',
    body: map(`"a":"${'x'.repeat(3.1 * 2 ** 20)}"`),
    status: 413,
    says: /limit is 3145728/,
  },
  {
    what: 'JSON: 300,000 keys',
    body: map(many(200_000, '""')),
    status: 400,
    says: /too many fields/,
  },
  {
    what: 'JSON: 40,000 wrong labels',
    body: meta(`"labels":{${many(40_000, '"!"')}}`),
    status: 422,
    says: /metadata.labels.* more\]$/,
  },
  {
    what: 'JSON: integer-like keys',
    body: map(Array.from({ length: 20_000 }, (_, n) => `"${n}":1`).join()),
    status: 400,
    says: /data\.0/,
  },
  {
    what: 'JSON: NUL in a name',
    body: '{"metadata":{"name":"a\\u0000b"}}',
    status: 422,
    says: /metadata.name/,
  },
  {
    what: 'JSON: right-to-left name',
    body: '{"metadata":{"name":"a\\u202eb"}}',
    status: 422,
    says: /metadata.name/,
  },
  { what: 'JSON: NUL in a key', body: map('"a\\u0000":"x"'), status: 422, says: /data\[a/ },
  {
    what: 'JSON: above int64',
    body: meta('"generation":9223372036854775808'),
    status: 400,
    says: /metadata.generation/,
  },
  {
    what: 'JSON: above a double',
    body: meta('"generation":1e400'),
    status: 400,
    says: /metadata.generation/,
  },
  {
    what: 'JSON: no integer',
    body: meta('"generation":1.5'),
    status: 400,
    says: /metadata.generation/,
  },
  { what: 'JSON: NaN', body: meta('"generation":NaN'), status: 400, says: /JSON/ },
  {
    what: 'JSON: a prototype',
    body: '{"__proto__":{"metadata":{"name":"a"}}}',
    status: 422,
    says: /metadata.name/,
  },
  {
    what: 'JSON: not UTF-8',
    body: Buffer.from('{"metadata":{"name":"\xff"}}', 'latin1'),
    status: 400,
    says: /UTF-8/,
  },
  { what: 'JSON: nothing', body: ' ', status: 400, says: /JSON/ },
  { what: 'JSON: a list', body: '[]', status: 400, says: /expected an object/ },
  {
    what: 'CBOR',
    body: Buffer.from([0xd9, 0xd9, 0xf7, 0xa0]),
    type: 'cbor',
    status: 415,
    says: /unknown format/,
  },
  {
    what: 'protobuf: no object',
    body: Buffer.from('k8s'),
    type: 'vnd.kubernetes.protobuf',
    status: 400,
    says: /./,
  },
  {
    what: 'protobuf: endless number',
    body: Buffer.concat([Buffer.from('k8s\0'), Buffer.alloc(1_000_000, 0xff)]),
    type: 'vnd.kubernetes.protobuf',
    status: 400,
    says: /./,
  },
  {
    what: 'protobuf: a length of 2^63',
    body: Buffer.from('6b3873000affffffffffffffff7f', 'hex'),
    type: 'vnd.kubernetes.protobuf',
    status: 400,
    says: /./,
  },
  {
    what: 'patch: copies of copies',
    method: 'PATCH',
    target: `${MAPS}/victim`,
    type: 'json-patch+json',
    body: JSON.stringify(
      Array.from({ length: 60 }, (_, n) => ({ op: 'copy', from: '/data', path: `/data/${n}` })),
    ),
    status: 413,
    says: /accumulated size/,
  },
  {
    what: 'patch: 10,001 operations',
    method: 'PATCH',
    target: `${MAPS}/victim`,
    type: 'json-patch+json',
    body: JSON.stringify(
      Array.from({ length: 10_001 }, () => ({ op: 'test', path: '/data', value: 1 })),
    ),
    status: 413,
    says: /10000/,
  },
  {
    what: 'patch: through a prototype',
    method: 'PATCH',
    target: `${MAPS}/victim`,
    type: 'json-patch+json',
    body: '[{"op":"add","path":"/__proto__/polluted","value":1}]',
    status: 422,
    says: /RFC 6902/,
  },
  {
    what: 'patch: merge of a prototype',
    method: 'PATCH',
    target: `${MAPS}/victim`,
    type: 'merge-patch+json',
    body: '{"data":{"__proto__":{"polluted":"1"}}}',
    status: 422,
    says: /data/,
  },
  {
    what: 'apply: 101 levels',
    method: 'PATCH',
    target: `${MAPS}/victim?fieldManager=x`,
    type: 'apply-patch+yaml',
    body: `a: ${nested(101)}`,
    status: 400,
    says: /deep/,
  },
  {
    what: 'a selector of 30,000 parts',
    method: 'GET',
    target: `${MAPS}?labelSelector=${'a,'.repeat(15_000)}`,
    body: '',
    status: 400,
    says: /./,
  },
];

test('F30: what is hostile is refused by its path, and leaves no memory behind', async () => {
  await using served = await serveCluster();
  const { url, ca, token } = served;
  await using transport = httpsTransport({ server: url, ca, token: () => token });
  const { signal } = new AbortController();
  const send = async (request: Omit<HttpRequest, 'signal' | 'headers'> & { type?: string }) => {
    const { type = 'json', ...rest } = request;
    const headers = { 'content-type': `application/${type}` };
    const reply = await transport.send({ ...rest, headers, signal });
    return { status: reply.status, text: await bodyText(reply.body) };
  };
  const post = (target: string, name: string) =>
    send({ method: 'POST', target, body: JSON.stringify({ metadata: { name }, ...victim }) });
  const victim = { data: { a: 'x' } };
  await post('/api/v1/namespaces', 'default');
  await post(MAPS, 'victim');

  // Of the CPU and of both ends, so that it does not matter what else the machine does.
  const timesMs = new Map<string, number[]>(attacks.map(({ what }) => [what, []]));
  const strike = async (attack: Attack): Promise<void> => {
    const { what, body, method = 'POST', target = MAPS, type = 'json' } = attack;
    const before = process.cpuUsage();
    const reply = await send({ method, target, type, ...(method !== 'GET' && { body }) });
    const { user, system } = process.cpuUsage(before);
    timesMs.get(what)?.push((user + system) / 1000);
    assert.equal(reply.status, attack.status, `${what}: ${reply.text.slice(0, 300)}`);
    const status = JSON.parse(reply.text) as { kind: string; message: string };
    assert.equal(status.kind, 'Status', what);
    assert.match(status.message, attack.says, what);
    assert.ok(reply.text.length < 300_000, `${what}: an answer of ${reply.text.length} characters`);
  };
  // What the first rounds leave is what a busy server has anyway: compiled code, and room in the heap.
  for (let round = 0; round < WARM_ROUNDS; round += 1) {
    for (const attack of attacks) await strike(attack);
  }
  const before = settledMemory();
  for (let round = 0; round < ROUNDS; round += 1)
    for (const attack of attacks) await strike(attack);
  const growth = settledMemory() - before;
  assert.equal(Object.hasOwn(Object.prototype, 'polluted'), false);
  const usual = [...timesMs].map(([what, all]): [string, number] => [what, medianOf(all)]);
  const slowest = usual.toSorted(([, a], [, b]) => b - a).slice(0, 3);
  reportFault({
    id: 'F30',
    what: `${attacks.length} hostile bodies by HTTP`,
    count: attacks.length * (ROUNDS + WARM_ROUNDS),
    found: `all refused; CPU ${timesText([...timesMs.values()].flat())} (slowest by their medians: ${slowest.map(([what, ms]) => `${what} ${ms.toFixed(0)} ms`).join(', ')}); memory ${megabytes(growth)}`,
  });
  assert.ok(growth <= GROWTH_BYTES_MAX, `memory grew by ${megabytes(growth)}`);
});

function medianOf(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
