import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest } from '#test/support/cluster-under-test.ts';
import { define } from '#test/support/custom-kind.ts';
import { at, type WireReply } from '#test/support/wire.ts';

/** A real server says that its documents are plain text. */
function documentOf({ status, body }: WireReply): unknown {
  assert.equal(status, 200);
  return typeof body === 'string' ? (JSON.parse(body) as unknown) : body;
}

async function withDocuments() {
  const { send } = await clusterUnderTest();
  const paths = at(documentOf(await send('GET', '/openapi/v3')), 'paths') as Record<
    string,
    { serverRelativeURL: string }
  >;
  const urlOf = (groupVersion: string): string => {
    const url = paths[groupVersion]?.serverRelativeURL ?? '';
    assert.match(url, /^\/openapi\/v3\/\S+\?hash=[0-9A-F]+$/);
    return url;
  };
  return {
    send,
    urlOf,
    schemas: async (groupVersion: string): Promise<Record<string, unknown>> => {
      const document = documentOf(await send('GET', urlOf(groupVersion)));
      assert.equal(at(document, 'openapi'), '3.0.0');
      return (document as { components: { schemas: Record<string, unknown> } }).components.schemas;
    },
  };
}

test('openapi v3: one document for each version of a group, by a link that changes with it', async () => {
  const { send, urlOf } = await withDocuments();
  for (const groupVersion of ['api/v1', 'apis/apps/v1', 'apis/batch/v1', 'apis/events.k8s.io/v1']) {
    const { status, headers } = await send('GET', urlOf(groupVersion));
    assert.equal(status, 200);
    // By its link it may be kept for ever.
    assert.match(headers['cache-control'] ?? '', /immutable/);
    const { etag = '' } = headers;
    const known = { headers: { 'if-none-match': etag } };
    assert.equal((await send('GET', urlOf(groupVersion), undefined, known)).status, 304);
  }
  assert.equal((await send('GET', '/openapi/v3/apis/nope.example.com/v1')).status, 404);
});

test('openapi v3: what kubectl explains and patches by', async () => {
  const { schemas } = await withDocuments();
  const apps = await schemas('apis/apps/v1');
  const deployment = apps['io.k8s.api.apps.v1.Deployment'];
  assert.deepEqual(at(deployment, 'x-kubernetes-group-version-kind'), [
    { group: 'apps', kind: 'Deployment', version: 'v1' },
  ]);
  const spec = '#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec';
  assert.deepEqual(at(deployment, 'properties.spec.allOf'), [{ $ref: spec }]);
  const { properties, required } = apps['io.k8s.api.apps.v1.DeploymentSpec'] as {
    properties: object;
    required: string[];
  };
  assert.deepEqual(required, ['selector', 'template']);
  assert.deepEqual(Object.keys(properties).toSorted(), [
    'minReadySeconds',
    'paused',
    'progressDeadlineSeconds',
    'replicas',
    'revisionHistoryLimit',
    'selector',
    'strategy',
    'template',
  ]);
  assert.equal(at(properties, 'replicas.type'), 'integer');
  const container = apps['io.k8s.api.core.v1.Container'];
  const ports = at(container, 'properties.ports') as Record<string, unknown>;
  assert.equal(ports['x-kubernetes-list-type'], 'map');
  assert.deepEqual(ports['x-kubernetes-list-map-keys'], ['containerPort', 'protocol']);
  assert.equal(ports['x-kubernetes-patch-merge-key'], 'containerPort');
  assert.equal(ports['x-kubernetes-patch-strategy'], 'merge');
});

test('openapi v3: custom resources with what their authors say of them', async () => {
  const cluster = await clusterUnderTest();
  const { group } = await define(cluster, {
    type: 'object',
    description: 'What is wanted.',
    properties: { size: { type: 'integer', description: 'How big.', minimum: 1 } },
  });
  const deadline = AbortSignal.timeout(10_000);
  for (;;) {
    const reply = await cluster.send('GET', `/openapi/v3/apis/${group}/v1`);
    if (reply.status === 200) {
      const { components } = documentOf(reply) as {
        components: { schemas: Record<string, unknown> };
      };
      const [name = ''] = Object.keys(components.schemas).filter((each) => each.endsWith('.Thing'));
      assert.equal(name, `${group.split('.').toReversed().join('.')}.v1.Thing`);
      const spec = at(components.schemas[name], 'properties.spec');
      assert.equal(at(spec, 'description'), 'What is wanted.');
      assert.deepEqual(at(spec, 'properties.size'), {
        type: 'integer',
        description: 'How big.',
        minimum: 1,
      });
      return;
    }
    // A real server publishes it a moment later, and tells nobody when.
    deadline.throwIfAborted();
  }
});

test('openapi v2: as JSON and as protobuf, and not again for who has it', async () => {
  const { send } = await clusterUnderTest();
  const reply = await send('GET', '/openapi/v2');
  assert.equal(at(documentOf(reply), 'swagger'), '2.0');
  const definitions = at(documentOf(reply), 'definitions') as Record<string, unknown>;
  assert.deepEqual(
    at(definitions['io.k8s.api.core.v1.Pod'], 'properties.spec.$ref'),
    '#/definitions/io.k8s.api.core.v1.PodSpec',
  );
  // A real server learns of definitions, and forgets them, a moment after whoever writes them: until it has, others come.
  const deadline = AbortSignal.timeout(20_000);
  for (let { etag = '' } = reply.headers; ;) {
    const known = { headers: { 'if-none-match': etag } };
    const again = await send('GET', '/openapi/v2', undefined, known);
    if (again.status === 304) break;
    assert.notEqual(again.headers['etag'], etag, 'the same one again');
    deadline.throwIfAborted();
    etag = again.headers['etag'] ?? '';
  }
  const gnostic = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
  const binary = await send('GET', '/openapi/v2', undefined, { headers: { accept: gnostic } });
  assert.equal(binary.status, 200);
  assert.match(
    binary.headers['content-type'] ?? '',
    /^application\/com\.github\.proto-openapi\.spec\.v2.v1\.0\+protobuf$/,
  );
});
