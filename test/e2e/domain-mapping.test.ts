import assert from 'node:assert/strict';
import { test } from 'node:test';
import { stringify } from 'yaml';
import { call, startPlatform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

const DOMAIN = 'shop.example.com';

function service(name: string, image: string): object {
  const script =
    "require('node:http').createServer((q, s) => s.end(process.env.NAME + ' ' + q.headers.host)).listen(process.env.PORT)";
  const env = [{ name: 'NAME', value: name }];
  const containers = [{ image, command: ['node', '-e', script], env }];
  return {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name },
    spec: { template: { spec: { containers } } },
  };
}

function mapping(to: string): object {
  const ref = { apiVersion: 'serving.knative.dev/v1', kind: 'Service', name: to };
  return {
    apiVersion: 'serving.knative.dev/v1beta1',
    kind: 'DomainMapping',
    metadata: { name: DOMAIN },
    spec: { ref },
  };
}

test('domain mapping: a domain of its own answers, moves to another Service, and ends', async () => {
  await using it = await startPlatform();
  const image = await sampleImage(it);
  const apply = async (...objects: readonly object[]): Promise<void> => {
    const input = objects.map((object) => stringify(object)).join('---\n');
    await it.ok(['apply', '-f', '-'], input);
  };
  const claim = {
    apiVersion: 'networking.internal.knative.dev/v1alpha1',
    kind: 'ClusterDomainClaim',
    metadata: { name: DOMAIN },
    spec: { namespace: 'default' },
  };
  await apply(service('one', image), service('two', image), claim, mapping('one'));
  const ready = ['wait', '--for=condition=Ready', '--timeout=60s'];
  await it.ok([...ready, 'ksvc/one', 'ksvc/two', `domainmapping/${DOMAIN}`]);
  const url = await it.ok(['get', 'dm', DOMAIN, '-o', 'jsonpath={.status.url}']);
  // The program sees the domain, not the name that it has in the cluster.
  assert.equal((await call(url)).body, `one ${DOMAIN}`);

  await apply(mapping('two'));
  const generation = ['get', 'dm', DOMAIN, '-o', 'jsonpath={.metadata.generation}'];
  const observed = `jsonpath={.status.observedGeneration}=${await it.ok(generation)}`;
  await it.ok(['wait', `domainmapping/${DOMAIN}`, `--for=${observed}`, '--timeout=60s']);
  await it.ok([...ready, `domainmapping/${DOMAIN}`]);
  assert.match((await call(url)).body, /^two /);

  await it.ok(['delete', 'dm', DOMAIN, '--timeout=60s']);
  await it.ok(['wait', '--for=delete', `kingress/${DOMAIN}`, '--timeout=60s']);
  const deadline = AbortSignal.timeout(30_000);
  while ((await call(url)).status !== 404) assert.ok(!deadline.aborted, 'it is served still');
});
