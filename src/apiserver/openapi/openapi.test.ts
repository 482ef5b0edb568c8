import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bodyText, type HttpReply } from '#base/http-message.ts';
import type { Kind } from '#api/kind.ts';
import { hasReason } from '#api/meta/api-error.ts';
import type { Schema } from '#api/schema.ts';
import { Service as KnativeService } from '#api/serving-v1/service.ts';
import { openApiRoutes } from '#apiserver/openapi/openapi-routes.ts';
import { readMessage, type Message } from '#test/support/protobuf-reader.ts';
import { coreKinds } from '#api/kinds.ts';

const kinds: readonly Kind[] = [...coreKinds, KnativeService];
const routes = openApiRoutes(() => kinds);

async function get(target: string, headers: Record<string, string> = {}): Promise<HttpReply> {
  const route = routes.find((each) => each.matches('GET', target.split('?')[0] ?? ''));
  assert.ok(route, `${target} has no route`);
  const user = { name: 'joe', groups: [] };
  const signal = AbortSignal.timeout(5000);
  return await route.handle({ method: 'GET', target, headers, signal, user });
}

interface Action {
  readonly 'x-kubernetes-action': string;
  readonly 'x-kubernetes-group-version-kind': unknown;
  readonly parameters?: readonly { readonly name: string }[];
  readonly requestBody?: { readonly content: Record<string, unknown> };
}
interface DocumentV3 {
  readonly paths: Record<string, Record<'get' | 'put' | 'post' | 'patch' | 'delete', Action>>;
  readonly components: { readonly schemas: Record<string, Schema> };
}
interface DocumentV2 {
  readonly paths: DocumentV3['paths'];
  readonly definitions: Record<string, Schema>;
}

async function json<T>(target: string): Promise<T> {
  return JSON.parse(await bodyText((await get(target)).body)) as T;
}

/** Every `$ref` anywhere in a document. */
function references(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name === '$ref' && typeof inner === 'string' ? [inner] : references(inner),
  );
}

test('openapi v3: the index leads to every group and version, by the hash of its content', async () => {
  const { paths } = await json<{ paths: Record<string, { serverRelativeURL: string }> }>(
    '/openapi/v3',
  );
  assert.ok(paths['api/v1'] && paths['apis/apps/v1'] && paths['apis/serving.knative.dev/v1']);
  for (const [name, { serverRelativeURL }] of Object.entries(paths)) {
    const found = await get(serverRelativeURL);
    assert.equal(found.status, 200, name);
    assert.match(found.headers['cache-control'] ?? '', /immutable/);
    assert.match(serverRelativeURL, new RegExp(`hash=${found.headers['etag']?.slice(1, -1)}$`));
  }
  const stale = await get('/openapi/v3/api/v1?hash=OLD');
  assert.equal(stale.status, 301);
  assert.equal(stale.headers['location'], paths['api/v1'].serverRelativeURL);
});

test('openapi v3: every reference in every document leads somewhere in it', async () => {
  const { paths } = await json<{ paths: object }>('/openapi/v3');
  for (const name of Object.keys(paths)) {
    const found = await json<DocumentV3>(`/openapi/v3/${name}`);
    const known = new Set(Object.keys(found.components.schemas));
    const missing = references(found).filter(
      (reference) => !known.has(reference.replace('#/components/schemas/', '')),
    );
    assert.deepEqual(missing, [], name);
  }
});

test('openapi v3: clients find a kind by its operations, and how it may be patched', async () => {
  const apps = await json<DocumentV3>('/openapi/v3/apis/apps/v1');
  const one = apps.paths['/apis/apps/v1/namespaces/{namespace}/deployments/{name}'];
  assert.equal(one?.patch['x-kubernetes-action'], 'patch');
  assert.deepEqual(one?.patch['x-kubernetes-group-version-kind'], {
    group: 'apps',
    version: 'v1',
    kind: 'Deployment',
  });
  const names = one?.patch.parameters?.map(({ name }) => name) ?? [];
  assert.ok(names.includes('dryRun') && names.includes('fieldValidation'));
  const strategic = 'application/strategic-merge-patch+json';
  assert.ok(strategic in (one?.patch.requestBody?.content ?? {}));
  const ours = await json<DocumentV3>('/openapi/v3/apis/serving.knative.dev/v1');
  const service = ours.paths['/apis/serving.knative.dev/v1/namespaces/{namespace}/services/{name}'];
  assert.ok(service && !(strategic in (service.patch.requestBody?.content ?? {})));
});

test('openapi v3: our kinds are complete, Kubernetes’ own keep what patches need', async () => {
  const ours = await json<DocumentV3>('/openapi/v3/apis/serving.knative.dev/v1');
  const service = ours.components.schemas['dev.knative.serving.v1.Service'];
  assert.deepEqual(Object.keys(service?.properties ?? {}).toSorted(), [
    'apiVersion',
    'kind',
    'metadata',
    'spec',
    'status',
  ]);
  const text = JSON.stringify(service);
  assert.ok(!text.includes('"optional":true') && text.includes('x-kubernetes-group-version-kind'));
  const core = await json<DocumentV3>('/openapi/v3/api/v1');
  const containers =
    core.components.schemas['io.k8s.api.core.v1.PodSpec']?.properties?.['containers'];
  assert.equal(containers?.['x-kubernetes-patch-merge-key'], 'name');
  // A property that is called `optional` is not taken for the mark of that name.
  const selector = core.components.schemas['io.k8s.api.core.v1.ConfigMapKeySelector'];
  assert.deepEqual(selector?.properties?.['optional'], { type: 'boolean' });
});

test('openapi v2: says all of it in the terms it has', async () => {
  const { definitions, paths } = await json<DocumentV2>('/openapi/v2');
  assert.deepEqual(definitions['io.k8s.apimachinery.pkg.api.resource.Quantity'], {
    type: 'string',
  });
  assert.deepEqual(definitions['io.k8s.apimachinery.pkg.util.intstr.IntOrString'], {
    type: 'string',
    format: 'int-or-string',
  });
  const pod = definitions['io.k8s.api.core.v1.Pod'];
  assert.deepEqual(pod?.properties?.['spec'], { $ref: '#/definitions/io.k8s.api.core.v1.PodSpec' });
  assert.ok(definitions['dev.knative.serving.v1.Service']);
  // The schema of schemas has properties of these names.
  const others = Object.entries(definitions).filter(([name]) => !name.includes('JSONSchemaProps'));
  const text = JSON.stringify(others);
  for (const word of ['"oneOf"', '"anyOf"', '"allOf"', '"nullable"']) {
    assert.ok(!text.includes(word), word);
  }
  const known = new Set(Object.keys(definitions));
  const missing = references({ definitions, paths }).filter(
    (reference) => !known.has(reference.replace('#/definitions/', '')),
  );
  assert.deepEqual(missing, []);
});

test('openapi: no two operations have the same id', async () => {
  const { paths } = await json<DocumentV2>('/openapi/v2');
  const ids: readonly string[] = JSON.stringify(paths).match(/"operationId":"[^"]+"/g) ?? [];
  assert.ok(ids.length > 100);
  assert.deepEqual(
    ids.filter((id, index) => ids.indexOf(id) !== index),
    [],
  );
});

test('openapi v2: as protobuf it says the same as the JSON', async () => {
  const newer = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
  const older = 'application/com.github.proto-openapi.spec.v2@v1.0+protobuf';
  const reply = await get('/openapi/v2', { accept: `${older}, application/json` });
  assert.equal(reply.headers['content-type'], newer);
  assert.ok(reply.body instanceof Uint8Array);
  const read = readMessage(reply.body);
  assert.equal(read.text(1), '2.0');
  const { definitions, paths } = await json<DocumentV2>('/openapi/v2');
  const byName = (messages: readonly Message[]): Map<string, Message> =>
    new Map(messages.map((each) => [each.text(1), each.message(2)]));
  const schemas = byName(read.message(9).messages(1));
  assert.deepEqual([...schemas.keys()], Object.keys(definitions));
  assert.deepEqual([...byName(read.message(8).messages(2)).keys()], Object.keys(paths));
  const spec = schemas.get('io.k8s.api.core.v1.PodSpec');
  assert.ok(spec);
  const fields = byName(spec.message(25).messages(1));
  assert.deepEqual(
    [...fields.keys()],
    Object.keys(definitions['io.k8s.api.core.v1.PodSpec']?.properties ?? {}),
  );
  const containers = fields.get('containers');
  assert.equal(containers?.message(22).text(1), 'array');
  assert.equal(
    containers?.message(23).message(1).text(1),
    '#/definitions/io.k8s.api.core.v1.Container',
  );
  const extensions = byName(containers?.messages(31) ?? []);
  assert.equal(extensions.get('x-kubernetes-patch-merge-key')?.text(2), '"name"\n');
});

test('openapi v2: the first acceptable type of the list is taken', async () => {
  const typeFor = async (accept: string): Promise<string | undefined> =>
    (await get('/openapi/v2', { accept })).headers['content-type'];
  assert.equal(await typeFor('application/xml, */*'), 'application/json');
  await assert.rejects(typeFor('text/html'), (error) => hasReason(error, 'NotAcceptable'));
});
