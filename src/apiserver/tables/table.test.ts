import assert from 'node:assert/strict';
import { test } from 'node:test';
import { humanDuration } from '#apiserver/tables/age.ts';
import { valueAt } from '#apiserver/tables/json-path.ts';
import { at, nextOf, pod, startWire, type Wire } from '#test/support/wire.ts';

const TABLE = { accept: 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json' };
const PODS = '/api/v1/namespaces/default/pods';

async function tableAt(
  wire: Wire,
  target: string,
): Promise<{ header: string[]; wide: string[]; rows: unknown[][] }> {
  const { body } = await wire.send('GET', target, undefined, { headers: TABLE });
  assert.equal(at(body, 'kind'), 'Table', JSON.stringify(body));
  const columns = at(body, 'columnDefinitions') as { name: string; priority: number }[];
  const rows = at(body, 'rows') as { cells: unknown[] }[];
  return {
    header: columns.filter(({ priority }) => priority === 0).map(({ name }) => name),
    wide: columns.filter(({ priority }) => priority > 0).map(({ name }) => name),
    rows: rows.map(({ cells }) => cells),
  };
}

test('table: the columns that kubectl users know', async () => {
  await using wire = await startWire();
  const check = async (target: string, header: string, wide = ''): Promise<void> => {
    const table = await tableAt(wire, target);
    assert.equal(table.header.join(' '), header, target);
    assert.equal(table.wide.join(' '), wide, target);
  };
  await check('/api/v1/namespaces', 'Name Status Age');
  await check(
    '/api/v1/pods',
    'Name Ready Status Restarts Age',
    'IP Node Nominated Node Readiness Gates',
  );
  await check('/api/v1/services', 'Name Type Cluster-IP External-IP Port(s) Age', 'Selector');
  await check('/api/v1/configmaps', 'Name Data Age');
  await check('/api/v1/secrets', 'Name Type Data Age');
  await check('/api/v1/serviceaccounts', 'Name Secrets Age');
  await check(
    '/api/v1/events',
    'Last Seen Type Reason Object Message',
    'Subobject Source First Seen Count Name',
  );
  await check(
    '/api/v1/nodes',
    'Name Status Roles Age Version',
    'Internal-IP External-IP OS-Image Kernel-Version Container-Runtime',
  );
  await check(
    '/apis/apps/v1/deployments',
    'Name Ready Up-to-date Available Age',
    'Containers Images Selector',
  );
  await check(
    '/apis/apps/v1/replicasets',
    'Name Desired Current Ready Age',
    'Containers Images Selector',
  );
  await check('/apis/discovery.k8s.io/v1/endpointslices', 'Name AddressType Ports Endpoints Age');
  await check('/apis/rbac.authorization.k8s.io/v1/roles', 'Name Created At');
  await check(
    '/apis/rbac.authorization.k8s.io/v1/rolebindings',
    'Name Role Age',
    'Users Groups ServiceAccounts',
  );
});

test('table: a pod says where it stands', async () => {
  await using wire = await startWire();
  const statusOf = async (name: string, status: object): Promise<unknown[]> => {
    await wire.send('POST', PODS, pod(name));
    await wire.send('PUT', `${PODS}/${name}/status`, { metadata: { name }, ...pod(name), status });
    const { rows } = await tableAt(wire, `${PODS}?fieldSelector=metadata.name=${name}`);
    return rows[0]?.slice(1, 4) ?? [];
  };
  const container = (fields: object): object => ({
    name: 'main',
    image: 'x',
    imageID: '',
    ready: false,
    restartCount: 0,
    ...fields,
  });
  assert.deepEqual(await statusOf('a', { phase: 'Pending' }), ['0/1', 'Pending', '0']);
  const running = container({ ready: true, state: { running: {} } });
  assert.deepEqual(await statusOf('b', { phase: 'Running', containerStatuses: [running] }), [
    '1/1',
    'Running',
    '0',
  ]);
  const crashing = container({
    restartCount: 3,
    state: { waiting: { reason: 'CrashLoopBackOff' } },
    lastState: { terminated: { exitCode: 1, finishedAt: '2025-12-31T23:58:00Z' } },
  });
  assert.deepEqual(await statusOf('c', { phase: 'Running', containerStatuses: [crashing] }), [
    '0/1',
    'CrashLoopBackOff',
    '3 (2m ago)',
  ]);
  const failed = container({ state: { terminated: { exitCode: 2 } } });
  assert.deepEqual(await statusOf('d', { phase: 'Failed', containerStatuses: [failed] }), [
    '0/1',
    'ExitCode:2',
    '0',
  ]);
});

test('table: rows carry what was asked for, in lists, gets and watches', async () => {
  await using wire = await startWire();
  await wire.send('POST', PODS, pod('a'));
  const bodyOf = async (target: string): Promise<unknown> =>
    (await wire.send('GET', target, undefined, { headers: TABLE })).body;
  assert.equal(at(await bodyOf(PODS), 'rows.0.object.kind'), 'PartialObjectMetadata');
  assert.equal(
    at(await bodyOf(`${PODS}?includeObject=Object`), 'rows.0.object.spec.restartPolicy'),
    'Always',
  );
  assert.equal(at(await bodyOf(`${PODS}/a?includeObject=None`), 'rows.0.object'), null);
  const events = wire.watch(`${PODS}?watch=1`, { headers: TABLE });
  const { type, object } = await nextOf(events);
  assert.equal(type, 'ADDED');
  assert.equal(at(object, 'kind'), 'Table');
  assert.equal(at(object, 'rows.0.cells.0'), 'a');
  await events.return();
});

test('table: our own kinds by the columns they declare', async () => {
  await using wire = await startWire();
  const { header } = await tableAt(wire, '/apis/serving.knative.dev/v1/services');
  assert.equal(header[0], 'Name');
  assert.ok(header.includes('URL'), header.join());
});

test('ages as short as kubectl prints them', () => {
  const second = 1000;
  const hour = 3_600 * second;
  const check = (ms: number, expected: string): void => assert.equal(humanDuration(ms), expected);
  check(0, '0s');
  check(-second, '0s');
  check(-5 * second, '<invalid>');
  check(119 * second, '119s');
  check(125 * second, '2m5s');
  check(600 * second, '10m');
  check(3 * hour, '3h');
  check(3.5 * hour, '3h30m');
  check(30 * hour, '30h');
  check(49 * hour, '2d1h');
  check(24 * 30 * hour, '30d');
  check(24 * 365 * 3 * hour, '3y');
});

test('paths of printer columns', () => {
  const object = {
    metadata: { labels: { 'a.b/c': 'x' } },
    status: {
      conditions: [
        { type: 'Other', status: 'False' },
        { type: 'Ready', status: 'True' },
      ],
    },
    list: [1, 2],
  };
  const check = (path: string, expected: unknown): void =>
    assert.equal(valueAt(object, path), expected, path);
  check('.status.conditions[?(@.type=="Ready")].status', 'True');
  check(".status.conditions[?(@.type=='Other')].status", 'False');
  check(String.raw`.metadata.labels['a\.b/c']`, 'x');
  check(".metadata.labels['a.b/c']", 'x');
  check('.list[1]', 2);
  check('.list[*]', 1);
  check('.none.of.it', undefined);
  check('.metadata..name', undefined);
});
