import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { call, startPlatform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

const NETWORK = ['-n', 'knative-serving', 'configmap/config-network'];
const DOMAINS = ['-n', 'knative-serving', 'configmap/config-domain'];

test('domains: a host of the user leads to a Service, and hosts follow the ConfigMaps', async () => {
  await using it = await startPlatform();
  const image = await sampleImage(it);
  const program =
    "require('node:http').createServer((q, s) => s.end(q.headers.host)).listen(process.env.PORT)";
  const service = {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name: 'shop' },
    spec: { template: { spec: { containers: [{ image, command: ['node', '-e', program] }] } } },
  };
  const mapping = {
    apiVersion: 'serving.knative.dev/v1beta1',
    kind: 'DomainMapping',
    metadata: { name: 'shop.example.org' },
    spec: { ref: { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name: 'shop' } },
  };
  const tried = await it.kubectl(['apply', '--dry-run=server', '-f', '-'], {
    input: stringify({
      ...service,
      spec: { template: { spec: { containers: [{ image, name: '&InvalidValue' }] } } },
    }),
  });
  assert.match(tried.stderr, /validation callback failed: dry run failed with Pod "dry-run-/);
  const applied = await it.kubectl(['apply', '-f', '-'], { input: stringify(service) });
  assert.equal(applied.code, 0, applied.stderr);
  assert.match(applied.stderr, /Warning: Kubernetes default value is insecure, Knative may/);
  await it.ok(['apply', '-f', '-'], stringify(mapping));
  const unclaimed = '--for=jsonpath={.status.conditions[?(@.type=="DomainClaimed")].status}=False';
  await it.ok(['wait', 'dm/shop.example.org', unclaimed, '--timeout=30s']);
  const autocreate = '{"data":{"autocreate-cluster-domain-claims":"true"}}';
  await it.ok(['patch', ...NETWORK, '--type=merge', '-p', autocreate]);
  await it.ok(['wait', 'dm/shop.example.org', '--for=condition=Ready', '--timeout=60s']);
  assert.match(await it.ok(['get', 'cdc', '-o', 'name']), /shop\.example\.org/);
  const mapped = await it.ok(['get', 'dm', 'shop.example.org', '-o', 'jsonpath={.status.url}']);
  const { hostname } = new URL(mapped);
  const answer = await call(mapped);
  assert.deepEqual(
    [answer.status, answer.body],
    [200, hostname],
    'the program sees the host asked for',
  );

  const template = '{"data":{"example.net":""}}';
  await it.ok(['patch', ...DOMAINS, '--type=merge', '-p', template]);
  const port = new URL(mapped).port;
  const moved = `http://shop.default.example.net${port === '' ? '' : `:${port}`}`;
  await it.ok(['wait', 'ksvc/shop', `--for=jsonpath={.status.url}=${moved}`, '--timeout=30s']);
  await it.ok(['wait', 'ksvc/shop', '--for=condition=Ready', '--timeout=30s']);
  assert.equal((await call(moved)).status, 200);
  await it.ok(['delete', 'dm/shop.example.org', '--timeout=30s']);
  assert.equal(await it.ok(['get', 'cdc', '-o', 'name']), '');
});
