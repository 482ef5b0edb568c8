import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clusterUnderTest } from '#test/support/cluster-under-test.ts';
import { at, type WireReply } from '#test/support/wire.ts';

const MERGE = { headers: { 'content-type': 'application/merge-patch+json' } };
const TIME = '2026-01-01T00:00:00.000000Z';

async function withEvents() {
  const cluster = await clusterUnderTest();
  const namespace = await cluster.namespace();
  return {
    ...cluster,
    about: { kind: 'Pod', namespace, name: 'p', apiVersion: 'v1' },
    core: `/api/v1/namespaces/${namespace}/events`,
    newer: `/apis/events.k8s.io/v1/namespaces/${namespace}/events`,
  };
}

function fields({ status, body }: WireReply): string[] {
  assert.equal(status, 422, JSON.stringify(body));
  return (at(body, 'details.causes') as { field: string }[]).map(({ field }) => field);
}

test('events: one object, in the words of both groups', async () => {
  const { send, core, newer, about } = await withEvents();
  const older = await send('POST', core, {
    metadata: { name: 'a' },
    involvedObject: about,
    reason: 'Started',
    message: 'it runs',
    type: 'Normal',
    source: { component: 'kubelet' },
    firstTimestamp: '2026-01-01T00:00:00Z',
    lastTimestamp: '2026-01-01T00:00:00Z',
    count: 2,
  });
  assert.equal(older.status, 201, JSON.stringify(older.body));
  const { body: seen } = await send('GET', `${newer}/a`);
  assert.equal(at(seen, 'apiVersion'), 'events.k8s.io/v1');
  assert.equal(at(seen, 'note'), 'it runs');
  assert.deepEqual(at(seen, 'regarding'), about);
  assert.equal(at(seen, 'deprecatedCount'), 2);
  assert.deepEqual(at(seen, 'deprecatedSource'), { component: 'kubelet' });
  assert.equal(at(seen, 'metadata.uid'), at(older.body, 'metadata.uid'));
  const made = await send('POST', newer, {
    metadata: { name: 'b' },
    regarding: about,
    reason: 'Failed',
    note: 'it does not',
    type: 'Warning',
    eventTime: TIME,
    reportingController: 'example.com/c',
    reportingInstance: 'i',
    action: 'Running',
  });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const { body } = await send('GET', `${core}/b`);
  assert.deepEqual(at(body, 'involvedObject'), about);
  assert.equal(at(body, 'message'), 'it does not');
  assert.equal(at(body, 'reportingComponent'), 'example.com/c');
  assert.equal(at(body, 'eventTime'), TIME);
});

test('events: what newer clients record is whole, and stays', async () => {
  const { send, core, newer, about } = await withEvents();
  const whole = {
    metadata: { name: 'a' },
    regarding: about,
    reason: 'r',
    type: 'Normal',
    eventTime: TIME,
    reportingController: 'example.com/c',
    reportingInstance: 'i',
    action: 'a',
  };
  const wrong: readonly [change: object, fields: string[]][] = [
    [{ eventTime: null }, ['eventTime']],
    [{ type: 'Odd' }, ['type']],
    [
      { reason: 'x'.repeat(129), reportingInstance: '', action: '' },
      ['reportingInstance', 'action', 'reason'],
    ],
    [{ note: 'x'.repeat(1025) }, ['message']],
    [{ deprecatedCount: 1, deprecatedSource: { component: 'c' } }, ['count', 'source']],
    [{ series: { count: 1, lastObservedTime: TIME } }, ['series.count']],
  ];
  for (const [change, expected] of wrong) {
    assert.deepEqual(fields(await send('POST', newer, { ...whole, ...change })), expected);
  }
  const { reportingController: _, regarding, ...others } = whole;
  const halfNew = { ...others, involvedObject: regarding, reportingComponent: 'c', action: '' };
  assert.deepEqual(fields(await send('POST', core, halfNew)), ['action']);
  assert.equal((await send('POST', newer, whole)).status, 201);
  const change = (change: object): Promise<WireReply> => send('PATCH', `${newer}/a`, change, MERGE);
  assert.deepEqual(fields(await change({ note: 'other' })), ['message']);
  assert.deepEqual(fields(await change({ regarding: { name: 'q' } })), ['involvedObject']);
  const again = { series: { count: 2, lastObservedTime: TIME } };
  assert.equal((await change(again)).status, 200);
  // Who writes core Events may.
  assert.equal((await send('PATCH', `${core}/a`, { message: 'other' }, MERGE)).status, 200);
});

test('events: are where what they are about is', async () => {
  const { send, core, about } = await withEvents();
  const elsewhere = { metadata: { name: 'a' }, involvedObject: { ...about, namespace: 'other' } };
  const reply = await send('POST', core, elsewhere);
  assert.equal(
    at(reply.body, 'message'),
    'Event "a" is invalid: involvedObject.namespace: Invalid value: "other": does not match event.namespace',
  );
});

test('events: are found by their fields', async () => {
  const { send, core, newer, about } = await withEvents();
  for (const [name, reason, component] of [
    ['a', 'Started', 'kubelet'],
    ['b', 'Killing', 'scheduler'],
  ] as const) {
    const source = { component };
    await send('POST', core, { metadata: { name }, involvedObject: about, reason, source });
  }
  const found = async (collection: string, selector: string): Promise<unknown[]> => {
    const { body } = await send(
      'GET',
      `${collection}?fieldSelector=${encodeURIComponent(selector)}`,
    );
    const items = at(body, 'items') as { metadata: { name: string } }[];
    return items.map(({ metadata }) => metadata.name);
  };
  assert.deepEqual(await found(core, 'involvedObject.name=p'), ['a', 'b']);
  assert.deepEqual(await found(core, 'reason!=Started'), ['b']);
  assert.deepEqual(await found(core, 'source=kubelet'), ['a']);
  assert.deepEqual(await found(newer, 'regarding.name=p,reason=Killing'), ['b']);
});
