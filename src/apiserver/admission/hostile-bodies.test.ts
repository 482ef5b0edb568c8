import assert from 'node:assert/strict';
import { test } from 'node:test';
import { at, pod, startWire, type Wire } from '#test/support/wire.ts';

const MAPS = '/api/v1/namespaces/default/configmaps';
const PODS = '/api/v1/namespaces/default/pods';
const yaml = { headers: { 'content-type': 'application/yaml' } };

async function refusal(wire: Wire, body: string, options = {}): Promise<string> {
  const reply = await wire.send('POST', MAPS, body, options);
  return `${reply.status} ${String(at(reply.body, 'message'))}`;
}

test('numbers: what cannot be kept as it is written is refused by its path', async () => {
  await using wire = await startWire();
  const generation = (number: string) => `{"metadata":{"name":"a","generation":${number}}}`;
  const exact = /^400 the number .* at metadata.generation cannot be kept as it is/;
  for (const number of ['9223372036854775808', '9007199254740993', '1e400', '-1e999']) {
    assert.match(await refusal(wire, generation(number)), exact, number);
    const inYaml = `metadata: {name: a, generation: ${number}}`;
    assert.match(await refusal(wire, inYaml, yaml), exact, `YAML ${number}`);
  }
  for (const word of ['.nan', '.inf', '-.inf']) {
    const inYaml = `metadata: {name: a, generation: ${word}}`;
    assert.match(await refusal(wire, inYaml, yaml), exact, word);
  }
  assert.match(await refusal(wire, generation('NaN')), /^400 couldn't parse the body as JSON/);
  const kept = '{"metadata":{"name":"a"},"data":{"n":"9223372036854775808","\\"e1":"1e400"}}';
  assert.match(await refusal(wire, kept), /^422/, 'a text is no number; a quote is no key');
});

test('text: half a character becomes a replacement, as in Kubernetes', async () => {
  await using wire = await startWire();
  const body = '{"metadata":{"name":"a"},"data":{"a":"x\\ud800y","b":"\\ud83d\\ude00"}}';
  const reply = await wire.send('POST', MAPS, body);
  assert.equal(reply.status, 201);
  assert.deepEqual(at(reply.body, 'data'), { a: 'x\ufffdy', b: '\u{1f600}' });
});

test('yaml: keys given twice are named, endless nesting and aliases are refused', async () => {
  await using wire = await startWire();
  const twice = 'metadata: {name: a}\ndata:\n  a: "1"\n  a: "2"\n';
  const strict = await wire.send('POST', `${MAPS}?fieldValidation=Strict`, twice, yaml);
  assert.match(
    String(at(strict.body, 'message')),
    /strict decoding error: duplicate field "data.a"/,
  );
  const warned = await wire.send('POST', MAPS, twice, yaml);
  assert.equal(warned.headers['warning'], '299 - "duplicate field \\"data.a\\""');
  assert.match(await refusal(wire, '['.repeat(50_000), yaml), /^413 .*send it as JSON/);
  const deep = `a: ${'['.repeat(5_000)}${']'.repeat(5_000)}`;
  assert.match(await refusal(wire, deep, yaml), /^400 .*nests too deep/);
  const bomb = ['a: &a [x,x,x,x,x,x,x,x,x]'];
  for (const [name, of] of ['ba', 'cb', 'dc', 'ed', 'fe', 'gf', 'hg'].map((pair) =>
    pair.split(''),
  )) {
    bomb.push(`${name}: &${name} [${Array.from({ length: 9 }, () => `*${of}`).join()}]`);
  }
  assert.match(await refusal(wire, bomb.join('\n'), yaml), /^400 .*alias/);
});

test('errors: ten thousand wrong fields are not all told, and more than 50,000 not looked at', async () => {
  await using wire = await startWire();
  const many = Object.fromEntries(Array.from({ length: 50_001 }, (_, n) => [`k${n}`, '']));
  const message = '400 the object has too many fields: at most 50000 are accepted';
  assert.equal(await refusal(wire, JSON.stringify({ data: many })), message);
  const labels = Object.fromEntries(Array.from({ length: 10_000 }, (_, n) => [`k${n}`, '!']));
  const { status, body } = await wire.send('POST', MAPS, { metadata: { name: 'a', labels } });
  assert.equal(status, 422);
  assert.match(String(at(body, 'message')), /, and more\]$/);
  assert.ok(JSON.stringify(body).length < 300_000);
});

test('quantities and times: refused or told in one form', async () => {
  await using wire = await startWire();
  const limited = (memory: unknown) =>
    pod('a', {
      spec: { containers: [{ name: 'a', image: 'b', resources: { limits: { memory } } }] },
    });
  const bad = await wire.send('POST', PODS, limited('1Kb'));
  assert.equal(bad.status, 400);
  assert.match(
    String(at(bad.body, 'message')),
    /^Pod in version "v1" cannot be handled as a Pod: quantities must match the regular expression/,
  );
  const good = await wire.send('POST', PODS, limited(0.5));
  assert.equal(at(good.body, 'spec.containers.0.resources.limits.memory'), '500m');
  const lease = { metadata: { name: 'a' }, spec: { renewTime: '2020-01-01T01:00:00+01:00' } };
  const leases = '/apis/coordination.k8s.io/v1/namespaces/default/leases';
  const made = await wire.send('POST', leases, lease);
  assert.equal(at(made.body, 'spec.renewTime'), '2020-01-01T00:00:00.000000Z');
  const wrong = { metadata: { name: 'b' }, spec: { renewTime: 'x' } };
  assert.equal((await wire.send('POST', leases, wrong)).status, 400);
});

test('json patch: copies cannot double a value for ever', async () => {
  await using wire = await startWire();
  await wire.send('POST', MAPS, { metadata: { name: 'a' }, data: { a: 'x' } });
  const headers = { 'content-type': 'application/json-patch+json' };
  const patch = Array.from({ length: 60 }, (_, n) => ({
    op: 'copy',
    from: '/data',
    path: `/data/${n}`,
  }));
  const reply = await wire.send('PATCH', `${MAPS}/a`, patch, { headers });
  assert.equal(reply.status, 413);
  assert.match(
    String(at(reply.body, 'message')),
    /accumulated size increase of copy is \d+, exceeding/,
  );
});
