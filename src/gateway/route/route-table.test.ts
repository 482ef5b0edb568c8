import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Ingress, IngressPath } from '#api/networking-v1alpha1/ingress.ts';
import { INGRESS_CLASS, networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import { hashOf } from './ingress-hash.ts';
import { buildRouteTable, pickSplit, type RouteTable } from './route-table.ts';

function split(serviceName: string, percent = 100): IngressPath['splits'][number] {
  return { serviceNamespace: 'default', serviceName, servicePort: 80, percent };
}

function ingress(
  name: string,
  rules: NonNullable<Ingress['spec']['rules']>,
  metadata: Partial<Ingress['metadata']> = {},
): Ingress {
  return {
    apiVersion: 'networking.internal.knative.dev/v1alpha1',
    kind: 'Ingress',
    metadata: {
      namespace: 'default',
      name,
      creationTimestamp: '2026-01-01T00:00:00Z',
      annotations: { [networkingKeys.ingressClass]: INGRESS_CLASS },
      ...metadata,
    },
    spec: { rules },
  };
}

function rule(
  host: string,
  paths: IngressPath[],
  visibility: 'ExternalIP' | 'ClusterLocal' = 'ExternalIP',
): NonNullable<Ingress['spec']['rules']>[number] {
  return { hosts: [host], visibility, http: { paths } };
}

/** The service that a request is routed to; undefined is 404. */
function check(
  table: RouteTable,
  request: { host: string; path?: string; headers?: Record<string, string>; isInternal?: boolean },
  expected: string | undefined,
): void {
  const { host, path = '/', headers = {}, isInternal = false } = request;
  const fields = { get: (name: string) => headers[name] };
  const found = table.match({ host, path, fields, isInternal });
  assert.equal(found?.splits[0]?.service, expected, JSON.stringify(request));
}

test('route table: hosts match exactly, by visibility', () => {
  const table = buildRouteTable([
    ingress('a', [
      rule('a.example', [{ splits: [split('a')] }]),
      rule('a.default', [{ splits: [split('a')] }], 'ClusterLocal'),
    ]),
  ]);
  check(table, { host: 'a.example' }, 'a');
  check(table, { host: 'b.a.example' }, undefined);
  check(table, { host: 'example' }, undefined);
  check(table, { host: 'a.default' }, undefined);
  check(table, { host: 'a.default', isInternal: true }, 'a');
  check(table, { host: 'a.example', isInternal: true }, 'a');
});

test('route table: the longest prefix wins, and of two the one listed first', () => {
  const table = buildRouteTable([
    ingress('a', [
      rule('a.example', [
        { path: '/', splits: [split('root')] },
        { path: '/api', splits: [split('api')] },
        { path: '/api/v2', splits: [split('v2')] },
        { path: '/api', splits: [split('never')] },
      ]),
    ]),
  ]);
  check(table, { host: 'a.example', path: '/' }, 'root');
  check(table, { host: 'a.example', path: '/apis' }, 'api');
  check(table, { host: 'a.example', path: '/api/v2/x' }, 'v2');
  check(table, { host: 'a.example', path: '*' }, 'root');
});

test('route table: all headers of a path must match exactly, or the next path is tried', () => {
  const headers = { 'Knative-Serving-Tag': { exact: 'blue' }, 'X-B': { exact: '1' } };
  const table = buildRouteTable([
    ingress('a', [
      rule('a.example', [{ headers, splits: [split('blue')] }, { splits: [split('plain')] }]),
    ]),
  ]);
  const both = { 'knative-serving-tag': 'blue', 'x-b': '1' };
  check(table, { host: 'a.example', headers: both }, 'blue');
  check(table, { host: 'a.example', headers: { ...both, 'x-b': '2' } }, 'plain');
  check(table, { host: 'a.example', headers: { 'knative-serving-tag': '' } }, 'plain');
  check(table, { host: 'a.example' }, 'plain');
});

test('route table: splits share by percent, and none falls to 0', () => {
  const splits = [split('none', 0), split('few', 10), split('nil', 0), split('most', 90)];
  const table = buildRouteTable([ingress('a', [rule('a.example', [{ splits }])])]);
  const fields = { get: () => undefined };
  const path = table.match({ host: 'a.example', path: '/', fields, isInternal: false });
  assert.ok(path);
  const counts: Record<string, number> = {};
  for (let step = 0; step < 1_000; step += 1) {
    const name = pickSplit(path, step / 1_000)?.service ?? 'nobody';
    counts[name] = (counts[name] ?? 0) + 1;
  }
  assert.deepEqual(counts, { few: 100, most: 900 });
});

test('route table: what a split sets wins over what its path sets', () => {
  const paths: IngressPath[] = [
    {
      appendHeaders: { 'X-A': 'path', 'X-B': 'path' },
      splits: [{ ...split('a'), appendHeaders: { 'x-a': 'split' } }],
    },
  ];
  const table = buildRouteTable([ingress('a', [rule('a.example', paths)])]);
  const fields = { get: () => undefined };
  const path = table.match({ host: 'a.example', path: '/', fields, isInternal: false });
  assert.equal(path?.splits[0]?.append.text, 'x-a: split\r\nx-b: path\r\n');
});

test('route table: a header that would break out of its line is not served', () => {
  const appendHeaders = { 'X-A': 'b\r\nX-Evil: 1' };
  const table = buildRouteTable([
    ingress('a', [rule('a.example', [{ appendHeaders, splits: [split('a')] }])]),
  ]);
  check(table, { host: 'a.example' }, undefined);
  assert.equal(table.rejected.get('default/a')?.reason, 'IngressRejected');
});

test('route table: the older Ingress keeps a host, the younger is rejected whole', () => {
  const older = ingress('z', [rule('a.example', [{ splits: [split('old')] }])]);
  const younger = ingress(
    'a',
    [
      rule('A.example', [{ splits: [split('new')] }]),
      rule('b.example', [{ splits: [split('new')] }]),
    ],
    { creationTimestamp: '2026-01-02T00:00:00Z' },
  );
  const table = buildRouteTable([younger, older]);
  check(table, { host: 'a.example' }, 'old');
  check(table, { host: 'b.example' }, undefined);
  assert.deepEqual(table.rejected.get('default/a'), {
    reason: 'DomainConflict',
    message: 'host a.example is served for Ingress default/z, which is older',
  });
});

test('route table: another class, none, and what is being deleted are not ours', () => {
  const rules = [rule('a.example', [{ splits: [split('a')] }])];
  for (const metadata of [
    { annotations: { [networkingKeys.ingressClass]: 'other' } },
    { annotations: {} },
    { deletionTimestamp: '2026-01-01T00:00:00Z' },
  ]) {
    check(buildRouteTable([ingress('a', rules, metadata)]), { host: 'a.example' }, undefined);
  }
});

test('route table: the hash changes with the spec and not with the status', () => {
  const rules = [rule('a.example', [{ splits: [split('a')] }])];
  const one = ingress('a', rules);
  assert.equal(hashOf(one), hashOf({ ...one, status: { observedGeneration: 1 } }));
  assert.notEqual(hashOf(one), hashOf(ingress('b', rules)));
  assert.notEqual(hashOf(one), hashOf(ingress('a', [])));
});

test('route table: the hash is what upstream computes of the same Ingress, whatever the order of its fields', () => {
  const all = ingress('all', [
    {
      http: {
        paths: [
          {
            splits: [
              { ...split('s1', 40), appendHeaders: { k: 'v' } },
              { ...split('s2', 60), servicePort: 'http' },
              { ...split('s3', 0), servicePort: 8080 },
            ],
            appendHeaders: { b: '2', a: '1' },
            headers: {
              'Z-Tag': { exact: '<&>' },
              'A-Tag': { exact: '\u2028 é 😀\b\f\u0001\u007f"\\/' },
            },
            rewriteHost: 'inner.example.com',
            path: '/x',
          },
        ],
      },
      visibility: 'ExternalIP',
      hosts: ['a.example.com', 'b.example.com'],
    },
    rule('c', [{ splits: [split('s1')] }], 'ClusterLocal'),
  ]);
  const tls = [{ secretNamespace: 'default', secretName: 'cert', hosts: ['a.example.com'] }];
  assert.equal(
    hashOf({ ...all, spec: { httpOption: 'Redirected', ...all.spec, tls } }),
    '47094bdb25c6e32438f07bc75eae4f6c8d18ca696d26455c78bad1d12a541287',
  );
});
