import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest, uniqueName } from '#test/support/cluster-under-test.ts';
import { DEFINITIONS, definitionOf, define } from '#test/support/custom-kind.ts';
import { at } from '#test/support/wire.ts';

const APPLY = { headers: { 'content-type': 'application/apply-patch+yaml' } };
const MERGE = { headers: { 'content-type': 'application/merge-patch+json' } };

test('scale: takes an apply patch', async () => {
  const cluster = await clusterUnderTest();
  const target = `/apis/apps/v1/namespaces/${await cluster.namespace()}/deployments`;
  const metadata = { name: 'a' };
  const labels = { app: 'a' };
  const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } };
  const spec = { replicas: 0, selector: { matchLabels: labels }, template };
  const made = await cluster.send(
    'PATCH',
    `${target}/a?fieldManager=author`,
    { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec },
    APPLY,
  );
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const scale = (replicas: number, query = '') =>
    cluster.send(
      'PATCH',
      `${target}/a/scale?fieldManager=scaler${query}`,
      { apiVersion: 'autoscaling/v1', kind: 'Scale', metadata, spec: { replicas } },
      APPLY,
    );
  const refused = await scale(3);
  assert.equal(refused.status, 409, JSON.stringify(refused.body));
  assert.match(String(at(refused.body, 'message')), /conflict with "author"/);
  const scaled = await scale(3, '&force=true');
  assert.equal(scaled.status, 200, JSON.stringify(scaled.body));
  assert.equal(at(scaled.body, 'kind'), 'Scale');
  const negative = await cluster.send(
    'PATCH',
    `${target}/a/scale`,
    { spec: { replicas: -1 } },
    MERGE,
  );
  assert.equal(
    at(negative.body, 'message'),
    'Scale.autoscaling "a" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0',
  );
  assert.equal(at(scaled.body, 'spec.replicas'), 3);
  const { body } = await cluster.send('GET', `${target}/a`);
  const managed = at(body, 'metadata.managedFields') as Record<string, unknown>[];
  const [author, scaler] = ['author', 'scaler'].map((manager) =>
    managed.find((each) => each['manager'] === manager),
  );
  assert.equal(at(author, 'fieldsV1.f:spec.f:replicas'), undefined);
  assert.deepEqual(
    [scaler?.['operation'], scaler?.['subresource'], scaler?.['fieldsV1']],
    ['Apply', 'scale', { 'f:spec': { 'f:replicas': {} } }],
  );
});

test('custom resources: a rule may ask to see what is new', async () => {
  const cluster = await clusterUnderTest();
  const { target } = await define(cluster, {
    type: 'object',
    properties: {
      level: {
        type: 'integer',
        'x-kubernetes-validations': [
          {
            rule: 'oldSelf.hasValue() ? self >= oldSelf.value() : self == 1',
            optionalOldSelf: true,
            message: 'begins at 1 and grows',
            reason: 'FieldValueForbidden',
          },
        ],
      },
    },
  });
  const write = async (method: string, level: number): Promise<[number, unknown]> => {
    const path = method === 'POST' ? target : `${target}/a`;
    const body = {
      apiVersion: `${target.split('/')[2]}/v1`,
      kind: 'Thing',
      metadata: { name: 'a' },
    };
    const reply = await cluster.send(
      method,
      path,
      { ...body, spec: { level } },
      method === 'POST' ? {} : MERGE,
    );
    return [reply.status, at(reply.body, 'details.causes.0')];
  };
  const forbidden = {
    reason: 'FieldValueForbidden',
    message: 'Forbidden: begins at 1 and grows',
    field: 'spec.level',
  };
  assert.deepEqual(await write('POST', 2), [422, forbidden]);
  assert.deepEqual(await write('POST', 1), [201, undefined]);
  assert.deepEqual(await write('PATCH', 5), [200, undefined]);
  assert.deepEqual(await write('PATCH', 4), [422, forbidden]);
});

test('custom resources: rules that cannot work are refused with the definition', async () => {
  const cluster = await clusterUnderTest();
  const refusal = async (spec: object): Promise<string> => {
    const body = definitionOf(`${uniqueName('g')}.example.com`, spec);
    const reply = await cluster.send('POST', DEFINITIONS, body);
    assert.equal(reply.status, 422, JSON.stringify(reply.body));
    return String(at(reply.body, 'message'));
  };
  const ruled = (rule: object): object => ({
    type: 'object',
    properties: {
      name: { type: 'string', maxLength: 10 },
      'a-b': { type: 'string', maxLength: 10 },
      more: { type: 'object', properties: { size: { type: 'integer' } } },
      tags: { type: 'object', maxProperties: 3, additionalProperties: { type: 'integer' } },
      list: {
        type: 'array',
        maxItems: 3,
        items: { type: 'object', properties: { port: { type: 'integer' } } },
      },
    },
    'x-kubernetes-validations': [rule],
  });
  for (const [rule, expected] of [
    ['self.nme == "x"', /compilation failed.*undefined field 'nme'/s],
    ['self.more.length > 1', /compilation failed.*undefined field 'length'/s],
    ['self.list.all(x, x.prt > 1)', /compilation failed.*undefined field 'prt'/s],
    ['self.list[0].prt > 1', /compilation failed.*undefined field 'prt'/s],
    ['sel.name == "x"', /compilation failed.*undeclared reference to 'sel'/s],
    ['self.list.all(x, y.port > 1)', /compilation failed.*undeclared reference to 'y'/s],
    ['self.name.first == "x"', /compilation failed.*does not support field selection/s],
    ['nothing(self.name)', /compilation failed.*undeclared reference to 'nothing'/s],
    ['self.name', /cel expression must evaluate to a bool/],
    ['self.name == ', /compilation failed: ERROR/],
    ['1 + 1', /cel expression must evaluate to a bool/],
  ] as const) {
    assert.match(await refusal(ruled({ rule })), expected, rule);
  }
  assert.match(
    await refusal(ruled({ rule: 'true', optionalOldSelf: true })),
    /optionalOldSelf: Invalid value: true: may not be set if oldSelf is not used in rule/,
  );
  assert.match(
    await refusal(ruled({ rule: 'true', messageExpression: 'self.nme' })),
    /messageExpression.*undefined field 'nme'/s,
  );
  assert.match(
    await refusal(ruled({ rule: 'true', messageExpression: 'self.more.size' })),
    /messageExpression must evaluate to a string/,
  );
  assert.match(
    await refusal({
      type: 'object',
      properties: {
        list: {
          type: 'array',
          maxItems: 3,
          items: {
            type: 'string',
            maxLength: 5,
            'x-kubernetes-validations': [{ rule: 'self == oldSelf' }],
          },
        },
      },
    }),
    /oldSelf cannot be used on the uncorrelatable portion of the schema within/,
  );
});
