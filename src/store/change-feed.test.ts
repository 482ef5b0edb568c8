import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChangeFeed } from '#store/change-feed.ts';
import type { Change, Entry, Revision } from '#store/store.ts';

test('change feed: what readers remember by an entry or a change goes with it, not with the history', async () => {
  const feed = new ChangeFeed();
  const { signal } = new AbortController();
  const at = (revision: number): Revision => revision as Revision;
  const previous: Entry = { key: '/a', value: '1', created: at(1), modified: at(1) };
  const entry: Entry = { ...previous, value: '2', modified: at(2) };
  const changes: readonly Change[] = [
    { type: 'put', entry: previous },
    { type: 'put', entry, previous },
    { type: 'delete', entry, at: at(3) },
  ];
  const live = feed.watch('/', at(0), signal)[Symbol.asyncIterator]();
  const first = live.next();
  for (const change of changes) feed.publish(change);
  assert.equal((await first).value, changes[0], 'who is there gets what was published');
  for (const round of [1, 2]) {
    const later = feed.watch('/', at(0), signal)[Symbol.asyncIterator]();
    for (const change of changes) {
      const { value } = await later.next();
      assert.deepEqual(value, change, `round ${round}`);
      assert.notEqual(value, change);
      assert.notEqual(value?.entry, change.entry);
    }
    await later.return();
  }
  await live.return();
});
