import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest } from '#test/support/cluster-under-test.ts';
import { define } from '#test/support/custom-kind.ts';
import { at, type WireReply } from '#test/support/wire.ts';

const types = {
  apply: 'application/apply-patch+yaml',
  merge: 'application/merge-patch+json',
  json: 'application/json-patch+json',
  strategic: 'application/strategic-merge-patch+json',
} as const;

async function withNamespace() {
  const { send, namespace } = await clusterUnderTest();
  const name = await namespace();
  return {
    send,
    core: `/api/v1/namespaces/${name}`,
    apps: `/apis/apps/v1/namespaces/${name}`,
    patch: (type: keyof typeof types, target: string, body: unknown): Promise<WireReply> =>
      send('PATCH', target, body, { headers: { 'content-type': types[type] } }),
  };
}

/** Who owns what, without the times: `one Apply` or `two Update status` to fields. */
function ownersOf({ status, body }: WireReply): Record<string, unknown> {
  assert.ok(status < 300, JSON.stringify(body));
  const entries = (at(body, 'metadata.managedFields') ?? []) as {
    manager: string;
    operation: string;
    subresource?: string;
    fieldsV1: object;
  }[];
  return Object.fromEntries(
    entries
      // Controllers write too, at a moment of their own.
      .filter(({ manager }) => !/^(knode|kube-controller-manager)$/.test(manager))
      .map(({ manager, operation, subresource = '', fieldsV1 }) => [
        `${manager} ${operation} ${subresource}`.trim(),
        fieldsV1,
      ]),
  );
}

const MAP = { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'a' } };

test('owners: whoever changes a field takes it from who set it, unless that one applied', async () => {
  const { send, patch, core } = await withNamespace();
  const maps = `${core}/configmaps`;
  const made = await send('POST', `${maps}?fieldManager=maker`, {
    ...MAP,
    data: { a: '1', b: '2' },
  });
  assert.deepEqual(ownersOf(made), {
    'maker Update': { 'f:data': { '.': {}, 'f:a': {}, 'f:b': {} } },
  });
  const same = await patch('apply', `${maps}/a?fieldManager=one`, { ...MAP, data: { a: '1' } });
  assert.deepEqual(ownersOf(same), {
    'one Apply': { 'f:data': { 'f:a': {} } },
    'maker Update': { 'f:data': { '.': {}, 'f:a': {}, 'f:b': {} } },
  });
  const change = { ...MAP, data: { a: '3', b: '3' } };
  const conflict = await patch('apply', `${maps}/a?fieldManager=one`, change);
  assert.equal(conflict.status, 409);
  assert.deepEqual(at(conflict.body, 'details.causes'), [
    {
      reason: 'FieldManagerConflict',
      message: 'conflict with "maker" using v1',
      field: '.data.a',
    },
    {
      reason: 'FieldManagerConflict',
      message: 'conflict with "maker" using v1',
      field: '.data.b',
    },
  ]);
  assert.equal(
    at(conflict.body, 'message'),
    'Apply failed with 2 conflicts: conflicts with "maker" using v1:\n- .data.a\n- .data.b',
  );
  const forced = await patch('apply', `${maps}/a?fieldManager=one&force=true`, change);
  assert.deepEqual(ownersOf(forced), {
    'one Apply': { 'f:data': { 'f:a': {}, 'f:b': {} } },
    'maker Update': { 'f:data': {} },
  });
  const updated = await patch('merge', `${maps}/a?fieldManager=two`, { data: { b: '4', c: '5' } });
  assert.deepEqual(ownersOf(updated), {
    'one Apply': { 'f:data': { 'f:a': {} } },
    'maker Update': { 'f:data': {} },
    'two Update': { 'f:data': { 'f:b': {}, 'f:c': {} } },
  });
  // What one no longer applies goes, where nobody else owns it.
  const less = await patch('apply', `${maps}/a?fieldManager=one`, MAP);
  assert.deepEqual(at(less.body, 'data'), { b: '4', c: '5' });
});

test('owners: can be written and forgotten, and are not lost by who leaves them out', async () => {
  const { send, patch, core } = await withNamespace();
  const map = `${core}/configmaps/a`;
  const owned = await patch('apply', `${map}?fieldManager=one`, { ...MAP, data: { a: '1' } });
  const before = ownersOf(owned);
  assert.deepEqual(ownersOf(await send('PUT', map, { ...MAP, data: { a: '1' } })), before);
  const mine = [
    {
      manager: 'x',
      operation: 'Update',
      apiVersion: 'v1',
      fieldsType: 'FieldsV1',
      fieldsV1: { 'f:data': { 'f:a': {} } },
    },
  ];
  const written = await patch('json', map, [
    { op: 'replace', path: '/metadata/managedFields', value: mine },
  ]);
  assert.deepEqual(ownersOf(written), { 'x Update': { 'f:data': { 'f:a': {} } } });
  for (const nobody of [[], [{}]]) {
    await patch('apply', `${map}?fieldManager=one`, { ...MAP, data: { b: '1' } });
    const forgotten = await patch('merge', map, { metadata: { managedFields: nobody } });
    assert.deepEqual(ownersOf(forgotten), {});
  }
  const unrecorded = await patch('merge', `${map}?fieldManager=two`, { data: { c: '1' } });
  assert.deepEqual(ownersOf(unrecorded), {});
  const again = await patch('apply', `${map}?fieldManager=one`, { ...MAP, data: { d: '1' } });
  const all = { '.': {}, 'f:a': {}, 'f:b': {}, 'f:c': {} };
  assert.deepEqual(ownersOf(again), {
    'one Apply': { 'f:data': { 'f:d': {} } },
    'before-first-apply Update': { 'f:data': all },
  });
});

const LABELS = { app: 'd' };

function deployment(container: object, more: object = {}): object {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'd', labels: LABELS },
    spec: {
      replicas: 0,
      selector: { matchLabels: LABELS },
      template: {
        metadata: { labels: LABELS },
        spec: { containers: [{ name: 'main', image: 'i:1', ...container }] },
      },
      ...more,
    },
  };
}

test('owners: lists are owned by their keys', async () => {
  const { patch, apps } = await withNamespace();
  const target = `${apps}/deployments/d`;
  const full = deployment({
    env: [
      { name: 'A', value: '1' },
      { name: 'B', value: '2' },
    ],
    ports: [{ containerPort: 80 }, { containerPort: 81, protocol: 'UDP' }],
    command: ['run', 'it'],
  });
  const made = await patch('apply', `${target}?fieldManager=one`, full);
  assert.equal(made.status, 201);
  const main = {
    '.': {},
    'f:name': {},
    'f:image': {},
    'f:command': {},
    'f:env': {
      'k:{"name":"A"}': { '.': {}, 'f:name': {}, 'f:value': {} },
      'k:{"name":"B"}': { '.': {}, 'f:name': {}, 'f:value': {} },
    },
    'f:ports': {
      'k:{"containerPort":80,"protocol":"TCP"}': { '.': {}, 'f:containerPort': {} },
      'k:{"containerPort":81,"protocol":"UDP"}': {
        '.': {},
        'f:containerPort': {},
        'f:protocol': {},
      },
    },
  };
  assert.deepEqual(ownersOf(made), {
    'one Apply': {
      'f:metadata': { 'f:labels': { 'f:app': {} } },
      'f:spec': {
        'f:replicas': {},
        'f:selector': {},
        'f:template': {
          'f:metadata': { 'f:labels': { 'f:app': {} } },
          'f:spec': { 'f:containers': { 'k:{"name":"main"}': main } },
        },
      },
    },
  });
  const side = { spec: { template: { spec: { containers: [{ name: 'side', image: 's' }] } } } };
  const added = await patch('strategic', `${target}?fieldManager=two`, side);
  const containers = at(added.body, 'spec.template.spec.containers') as { name: string }[];
  assert.deepEqual(containers.map(({ name }) => name).toSorted(), ['main', 'side']);
  const scaled = await patch('merge', `${target}/scale?fieldManager=three`, {
    spec: { replicas: 1 },
  });
  assert.equal(scaled.status, 200);
  const conflict = await patch('apply', `${target}?fieldManager=one`, full);
  assert.equal(
    at(conflict.body, 'message'),
    'Apply failed with 1 conflict: conflict with "three" with subresource "scale" using apps/v1: .spec.replicas',
  );
  const bare = deployment({ command: ['run', 'it'] });
  const less = await patch('apply', `${target}?fieldManager=one&force=true`, bare);
  const after = at(less.body, 'spec.template.spec.containers') as Record<string, unknown>[];
  const own = after.find(({ name }) => name === 'main');
  assert.equal(own?.['env'], undefined);
  assert.equal(own?.['ports'], undefined);
  assert.equal(at(less.body, 'spec.replicas'), 0);
  const status = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: { name: 'd' } };
  const conditions = [{ type: 'Odd', status: 'True' }];
  const told = await patch('apply', `${target}/status?fieldManager=four`, {
    ...status,
    status: { conditions },
  });
  assert.deepEqual(ownersOf(told)['four Apply status'], {
    'f:status': {
      'f:conditions': { 'k:{"type":"Odd"}': { '.': {}, 'f:status': {}, 'f:type': {} } },
    },
  });
});

test('owners: what is no longer applied goes, and what others own in it stays', async () => {
  const cluster = await clusterUnderTest();
  const map = { type: 'object', additionalProperties: { type: 'integer' } };
  const number = { type: 'integer' };
  const inner = { type: 'object', properties: { x: number, y: number } };
  const obj = { type: 'object', properties: { min: number, max: number, inner } };
  const row = {
    type: 'object',
    required: ['k'],
    properties: { k: { type: 'string' }, v: number, w: number },
  };
  const { target, group } = await define(cluster, {
    type: 'object',
    properties: {
      size: number,
      map,
      obj,
      rows: {
        type: 'array',
        items: row,
        'x-kubernetes-list-type': 'map',
        'x-kubernetes-list-map-keys': ['k'],
      },
      tags: { type: 'array', items: { type: 'string' }, 'x-kubernetes-list-type': 'set' },
    },
  });
  let count = 0;
  /** `~b` updates by a merge patch, others apply; what is left of the spec. */
  const after = async (...steps: [who: string, spec: object | undefined][]): Promise<unknown> => {
    count += 1;
    const metadata = { name: `t${count}` };
    let last: WireReply | undefined;
    for (const [who, spec] of steps) {
      const isUpdate = who.startsWith('~');
      const query = `?fieldManager=${who.replace('~', '')}&${isUpdate ? '' : 'force=true'}`;
      const type = isUpdate ? types.merge : types.apply;
      const whole = { apiVersion: `${group}/v1`, kind: 'Thing', metadata, ...(spec && { spec }) };
      const isNew = isUpdate && last === undefined;
      last = isNew
        ? await cluster.send('POST', `${target}${query}`, whole)
        : await cluster.send(
            'PATCH',
            `${target}/${metadata.name}${query}`,
            isUpdate ? { spec } : whole,
            {
              headers: { 'content-type': type },
            },
          );
      assert.ok(last.status < 300, JSON.stringify(last.body));
    }
    return at(last?.body, 'spec');
  };
  const one = { size: 1 };
  const cases: readonly [steps: [who: string, spec: object | undefined][], left: unknown][] = [
    [
      [
        ['a', { size: 1, map: { a: 1 } }],
        ['a', one],
      ],
      one,
    ],
    [
      [
        ['a', { size: 1, map: { a: 1 } }],
        ['~b', { map: { b: 2 } }],
        ['a', one],
      ],
      { size: 1, map: { b: 2 } },
    ],
    [
      [
        ['a', { size: 1, map: { a: 1 } }],
        ['b', { map: { b: 2 } }],
        ['a', one],
      ],
      { size: 1, map: { b: 2 } },
    ],
    [
      [
        ['a', { size: 1, obj: { min: 1 } }],
        ['~b', { obj: { max: 2 } }],
        ['a', one],
      ],
      { size: 1, obj: { max: 2 } },
    ],
    [
      [
        ['a', { size: 1, obj: { inner: { x: 1 } } }],
        ['~b', { obj: { inner: { y: 2 } } }],
        ['a', one],
      ],
      { size: 1, obj: { inner: { y: 2 } } },
    ],
    [
      [
        ['~m', { size: 1, obj: { min: 1 } }],
        ['a', { obj: { min: 1 } }],
        ['a', {}],
      ],
      { size: 1, obj: { min: 1 } },
    ],
    [
      [
        ['a', { map: { q: 1 } }],
        ['~m', { size: 1, map: { z: 1 } }],
        ['a', undefined],
      ],
      { size: 1, map: { z: 1 } },
    ],
    [
      [
        ['a', { size: 1, rows: [{ k: 'a' }] }],
        ['~b', { rows: [{ k: 'a' }, { k: 'b' }] }],
        ['a', one],
      ],
      { size: 1, rows: [{ k: 'b' }] },
    ],
    // Who owns something in an item, and not the item, cannot keep it.
    [
      [
        ['a', { size: 1, rows: [{ k: 'a' }, { k: 'c' }] }],
        ['~b', { rows: [{ k: 'a', w: 3 }, { k: 'c' }] }],
        ['a', { size: 1, rows: [{ k: 'c' }] }],
      ],
      { size: 1, rows: [{ k: 'c' }] },
    ],
    [
      [
        ['a', { size: 1, rows: [{ k: 'a', v: 1 }] }],
        ['b', { rows: [{ k: 'a', w: 2 }] }],
        ['a', one],
      ],
      { size: 1, rows: [{ k: 'a', w: 2 }] },
    ],
    [
      [
        ['a', { size: 1, tags: ['a'] }],
        ['~b', { tags: ['a', 'b'] }],
        ['a', one],
      ],
      { size: 1, tags: ['b'] },
    ],
  ];
  for (const [steps, left] of cases) {
    assert.deepEqual(await after(...steps), left, JSON.stringify(steps));
  }
});

test('owners: names that are none', async () => {
  const { send, core } = await withNamespace();
  const maps = `${core}/configmaps`;
  const long = await send('POST', `${maps}?fieldManager=${'x'.repeat(129)}`, MAP);
  assert.equal(long.status, 422);
  assert.equal(
    at(long.body, 'message'),
    'CreateOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be more than 128 bytes',
  );
  const odd = await send('POST', `${maps}?fieldManager=a%00b`, MAP);
  assert.equal(
    at(odd.body, 'message'),
    'CreateOptions.meta.k8s.io "" is invalid: fieldManager: Invalid value: "a\\x00b": invalid character U+0000 (at position 1)',
  );
});

test('patches: each type in its own way', async () => {
  const { send, patch, core, apps } = await withNamespace();
  const map = `${core}/configmaps/a`;
  await send('POST', `${core}/configmaps`, { ...MAP, data: { a: '1', b: '2' } });
  const data = async (type: keyof typeof types, body: unknown): Promise<unknown> => {
    const reply = await patch(type, map, body);
    assert.equal(reply.status, 200, JSON.stringify(reply.body));
    return at(reply.body, 'data');
  };
  assert.deepEqual(await data('merge', { data: { a: null, c: '3' } }), { b: '2', c: '3' });
  const operations = [
    { op: 'test', path: '/data/b', value: '2' },
    { op: 'move', from: '/data/b', path: '/data/d' },
    { op: 'copy', from: '/data/c', path: '/data/e' },
    { op: 'remove', path: '/data/c' },
    // Kubernetes replaces what is not there, too.
    { op: 'replace', path: '/data/f', value: '6' },
  ];
  assert.deepEqual(await data('json', operations), { d: '2', e: '3', f: '6' });
  assert.deepEqual(await data('strategic', { data: { $patch: 'replace', z: '1' } }), { z: '1' });
  assert.deepEqual(await data('strategic', { data: { $retainKeys: ['y'], y: '1' } }), { y: '1' });
  const made = deployment({
    env: [
      { name: 'A', value: '1' },
      { name: 'B', value: '2' },
    ],
  });
  await send('POST', `${apps}/deployments`, made);
  const env = [
    { name: 'C', value: '3' },
    { name: 'A', $patch: 'delete' },
  ];
  const containers = [{ name: 'main', env }];
  const patched = await patch('strategic', `${apps}/deployments/d`, {
    spec: { template: { spec: { containers } } },
  });
  const left = at(patched.body, 'spec.template.spec.containers.0.env') as { name: string }[];
  assert.deepEqual(left.map(({ name }) => name).toSorted(), ['B', 'C']);
});
