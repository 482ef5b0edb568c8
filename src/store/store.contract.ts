import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '#base/random.ts';
import type { FeedLimits } from '#store/change-feed.ts';
import {
  Compacted,
  KeyExists,
  SlowReader,
  StaleRevision,
  StoreUnavailable,
  revisionOf,
  type Change,
  type Entry,
  type Revision,
  type Store,
} from '#store/store.ts';

/** Opens an empty store with these limits. */
export type OpenStore = (limits: FeedLimits) => Promise<Store>;

/** What every driver promises. `name` begins the tests' names. */
export function testStore(name: string, open: OpenStore): void {
  testReads(name, open);
  testWrites(name, open);
  testWatches(name, open);
  testCompaction(name, open);
}

function testReads(name: string, open: OpenStore): void {
  test(`${name} store: an empty store is at revision 0 and holds nothing`, async () => {
    await using store = await open({});
    assert.equal(store.revision, 0);
    assert.equal(await store.get('/a'), undefined);
    assert.deepEqual(await store.list('/'), { entries: [], at: 0, remaining: 0 });
  });

  test(`${name} store: lists keys in order, under the prefix only`, async () => {
    await using store = await open({});
    for (const key of ['/b/2', '/a/1', '/b/10', '/b', '/c', '/b/é', '/b/\u{1F600}', '/b/\uFB01']) {
      await store.create(key, key);
    }
    const { entries, at, remaining } = await store.list('/b/');
    // By UTF-16 code units the astral character (D83D DE00) comes before U+FB01.
    assert.deepEqual(keysOf(entries), ['/b/10', '/b/2', '/b/é', '/b/\u{1F600}', '/b/\uFB01']);
    assert.equal(at, 8);
    assert.equal(remaining, 0);
    assert.equal((await store.list('')).entries.length, 8);
    assert.deepEqual(keysOf((await store.list('/nothing')).entries), []);
  });

  test(`${name} store: pages visit every entry once and count what remains`, async () => {
    await using store = await open({});
    const keys = Array.from({ length: 25 }, (_, at) => `/p/${String(at).padStart(2, '0')}`);
    await Promise.all(keys.toReversed().map((key) => store.create(key, key)));
    await store.create('/q', 'outside');
    const seen: string[] = [];
    const remains: number[] = [];
    for (let startAfter: string | undefined = ''; startAfter !== undefined;) {
      const page = await store.list('/p/', { limit: 10, startAfter });
      seen.push(...keysOf(page.entries));
      remains.push(page.remaining);
      startAfter = page.remaining > 0 ? seen.at(-1) : undefined;
    }
    assert.deepEqual(seen, keys);
    assert.deepEqual(remains, [15, 5, 0]);
    const past = await store.list('/p/', { startAfter: '/z' });
    assert.deepEqual([past.entries.length, past.remaining], [0, 0]);
    const before = await store.list('/p/', { startAfter: '/a', limit: 1 });
    assert.deepEqual([keysOf(before.entries), before.remaining], [['/p/00'], 24]);
  });

  test(`${name} store: gives back every well-formed text unchanged and refuses others`, async () => {
    await using store = await open({});
    const value = 'nul \0 quote \' " newline \n é \u{1F600} \uFFFD';
    await store.create('/odd \0 key \u{1F600}', value);
    assert.equal((await store.get('/odd \0 key \u{1F600}'))?.value, value);
    await assert.rejects(store.create('/lone', '\uD83D'), RangeError);
    await assert.rejects(store.create('/lone\uDE00', ''), RangeError);
    await assert.rejects(store.create('/'.repeat(5_000), ''), RangeError);
    assert.equal(store.revision, 1);
  });
}

function testWrites(name: string, open: OpenStore): void {
  test(`${name} store: every write is one revision and is read back`, async () => {
    await using store = await open({});
    const created = await store.create('/a', '1');
    assert.deepEqual(created, { key: '/a', value: '1', created: 1, modified: 1 });
    const updated = await store.update('/a', '2', created.modified);
    assert.deepEqual(updated, { key: '/a', value: '2', created: 1, modified: 2 });
    assert.deepEqual(await store.get('/a'), updated);
    assert.equal(await store.delete('/a', updated.modified), 3);
    assert.equal(await store.get('/a'), undefined);
    const again = await store.create('/a', '3');
    assert.deepEqual(again, { key: '/a', value: '3', created: 4, modified: 4 });
    assert.equal(store.revision, 4);
  });

  test(`${name} store: refuses what does not meet the key as it is, and says how it is`, async () => {
    await using store = await open({});
    const first = await store.create('/a', '1');
    const held = await store.update('/a', '2', first.modified);
    await assert.rejects(store.create('/a', '3'), (error) => {
      assert.ok(error instanceof KeyExists);
      assert.deepEqual(error.entry, held);
      return true;
    });
    for (const stale of [
      store.update('/a', '3', first.modified),
      store.delete('/a', first.modified),
    ]) {
      await assert.rejects(stale, (error) => {
        assert.ok(error instanceof StaleRevision);
        assert.deepEqual(error.current, held);
        return true;
      });
    }
    for (const absent of [
      store.update('/none', '', 1 as Revision),
      store.delete('/none', 1 as Revision),
    ]) {
      await assert.rejects(absent, (error) => {
        assert.ok(error instanceof StaleRevision);
        assert.equal(error.current, undefined);
        return true;
      });
    }
    assert.equal(store.revision, 2, 'a refused write takes no revision');
    assert.deepEqual(await store.get('/a'), held);
  });

  test(`${name} store: of many creators of one key one wins and the others see its entry`, async () => {
    await using store = await open({});
    const all = await Promise.allSettled(
      Array.from({ length: 20 }, (_, at) => store.create('/a', `${at}`)),
    );
    const won = all.filter((result) => result.status === 'fulfilled');
    assert.equal(won.length, 1);
    for (const result of all.filter(({ status }) => status === 'rejected')) {
      const { reason } = result as PromiseRejectedResult;
      assert.ok(reason instanceof KeyExists);
      assert.deepEqual(reason.entry, won[0]?.value);
    }
    assert.equal(store.revision, 1);
  });

  test(`${name} store: concurrent counters lose no increment`, async () => {
    await using store = await open({});
    await store.create('/n', '0');
    const increment = async (): Promise<void> => {
      for (;;) {
        const entry = await store.get('/n');
        assert.ok(entry);
        try {
          await store.update('/n', `${Number(entry.value) + 1}`, entry.modified);
          return;
        } catch (error) {
          if (!(error instanceof StaleRevision)) throw error;
        }
      }
    };
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        for (let round = 0; round < 10; round += 1) await increment();
      }),
    );
    assert.equal((await store.get('/n'))?.value, '80');
    assert.equal(store.revision, 81);
  });

  test(`${name} store: writers racing on few keys leave one history that explains every answer`, async () => {
    await using store = await open({});
    const answers = await race(store, { writers: 8, rounds: 40 });
    const history = await take(store.watch('', 0 as Revision, never()), store.revision);
    assert.deepEqual(
      history.map(revisionOf),
      Array.from({ length: history.length }, (_, at) => at + 1),
      'revisions form an unbroken chain',
    );
    assert.deepEqual(
      answers.toSorted((a, b) => a - b),
      history.map(revisionOf),
      'each revision was the answer to exactly one write',
    );
    const state = new Map<string, Entry>();
    for (const change of history) {
      const { key } = change.entry;
      if (change.type === 'delete') {
        assert.deepEqual(change.entry, state.get(key), 'a delete names the value it removed');
        state.delete(key);
      } else {
        assert.deepEqual(change.previous, state.get(key), 'a put names the value it replaced');
        state.set(key, change.entry);
      }
    }
    const { entries } = await store.list('');
    assert.deepEqual(
      entries,
      [...state.values()].toSorted((a, b) => (a.key < b.key ? -1 : 1)),
    );
  });

  test(`${name} store: a closed store refuses writes`, async () => {
    const store = await open({});
    await store.create('/a', '1');
    await store[Symbol.asyncDispose]();
    await assert.rejects(store.create('/b', '1'), StoreUnavailable);
  });

  test(`${name} store: closing waits for writes that were asked for`, async () => {
    const store = await open({});
    const writes = Array.from({ length: 50 }, (_, at) => store.create(`/${at}`, ''));
    await store[Symbol.asyncDispose]();
    assert.equal((await Promise.all(writes)).length, 50);
  });
}

function testWatches(name: string, open: OpenStore): void {
  test(`${name} store: a watch gives old and new changes under its prefix, in order`, async () => {
    await using store = await open({});
    const a = await store.create('/w/a', '1');
    await store.create('/other', '1');
    const watch = store.watch('/w/', 0 as Revision, never())[Symbol.asyncIterator]();
    assert.deepEqual((await watch.next()).value, { type: 'put', entry: a });
    const next = watch.next();
    await store.create('/wrong', '1');
    const b = await store.update('/w/a', '2', a.modified);
    assert.deepEqual((await next).value, { type: 'put', entry: b, previous: a });
    const at = await store.delete('/w/a', b.modified);
    assert.deepEqual((await watch.next()).value, { type: 'delete', entry: b, at });
    await watch.return?.();
  });

  test(`${name} store: a watch that begins at any moment of a burst misses nothing`, async () => {
    await using store = await open({});
    const writes: Promise<Entry>[] = [];
    const watches: Promise<Change[]>[] = [];
    for (let at = 0; at < 60; at += 1) {
      writes.push(store.create(`/b/${at}`, ''));
      if (at % 3 === 0) {
        await writes[at];
        const from = store.revision;
        watches.push(take(store.watch('/b/', from, never()), 60 - from));
      }
    }
    await Promise.all(writes);
    for (const changes of await Promise.all(watches)) {
      const revisions = changes.map(revisionOf);
      const first = 61 - revisions.length;
      assert.deepEqual(
        revisions,
        revisions.map((_, at) => first + at),
      );
    }
  });

  test(`${name} store: a watch ends without an error when it is aborted, waiting or not`, async () => {
    await using store = await open({});
    await store.create('/a', '');
    const aborted = await collect(store.watch('', 0 as Revision, AbortSignal.abort()));
    assert.deepEqual(aborted, []);
    const controller = new AbortController();
    const watch = store.watch('', 0 as Revision, controller.signal)[Symbol.asyncIterator]();
    assert.equal((await watch.next()).done, false);
    const waiting = watch.next();
    controller.abort();
    assert.equal((await waiting).done, true);
    await store.create('/b', '');
  });

  test(`${name} store: a watch from a later revision than the last begins there`, async () => {
    await using store = await open({});
    const watch = take(store.watch('', 2 as Revision, never()), 1);
    for (const key of ['/1', '/2', '/3']) await store.create(key, '');
    assert.deepEqual((await watch).map(revisionOf), [3]);
  });

  test(`${name} store: closing ends its watches`, async () => {
    const store = await open({});
    const watch = collect(store.watch('', 0 as Revision, never()));
    await store.create('/a', '');
    await store[Symbol.asyncDispose]();
    assert.ok((await watch).length <= 1);
  });

  test(`${name} store: a reader too far behind is told so after what it had, others go on`, async () => {
    await using store = await open({ lagMax: 5 });
    const slow = store.watch('', 0 as Revision, never())[Symbol.asyncIterator]();
    const next = slow.next();
    const quick = store.watch('', 0 as Revision, never())[Symbol.asyncIterator]();
    for (let at = 0; at < 20; at += 1) {
      const [created, { value: change }] = await Promise.all([
        store.create(`/${at}`, ''),
        quick.next(),
      ]);
      assert.deepEqual(change, { type: 'put', entry: created });
    }
    await quick.return?.();
    const got: Change[] = [(await next).value];
    await assert.rejects(async () => {
      for (;;) got.push((await slow.next()).value);
    }, SlowReader);
    assert.deepEqual(
      got.map(revisionOf),
      got.map((_, at) => at + 1),
    );
    assert.ok(got.length >= 5 && got.length < 20, `${got.length} changes before the error`);
  });
}

function testCompaction(name: string, open: OpenStore): void {
  test(`${name} store: compaction forgets history and keeps values`, async () => {
    await using store = await open({});
    let entry = await store.create('/a', '0');
    for (let at = 1; at < 10; at += 1) entry = await store.update('/a', `${at}`, entry.modified);
    const b = await store.create('/b', '');
    await store.delete('/b', b.modified);
    await store.compact(5 as Revision);
    assert.deepEqual(await store.get('/a'), entry);
    await assert.rejects(collect(store.watch('', 4 as Revision, never())), Compacted);
    const kept = await take(store.watch('', 5 as Revision, never()), 7);
    assert.deepEqual(kept.map(revisionOf), [6, 7, 8, 9, 10, 11, 12]);
    assert.equal(kept[0]?.type === 'put' && kept[0].previous?.value, '4');
    await store.compact(2 as Revision);
    assert.equal((await take(store.watch('', 5 as Revision, never()), 7)).length, 7);
    await store.compact(1_000 as Revision);
    await assert.rejects(collect(store.watch('', 11 as Revision, never())), Compacted);
    const next = take(store.watch('', 12 as Revision, never()), 1);
    await store.create('/c', '');
    assert.deepEqual((await next).map(revisionOf), [13]);
  });

  test(`${name} store: keeps no more history than its limit`, async () => {
    await using store = await open({ historyMax: 10 });
    for (let at = 1; at <= 35; at += 1) {
      await store.create(`/${at}`, '');
      const oldest = Math.max(0, at - 10);
      const kept = await take(store.watch('', oldest as Revision, never()), at - oldest);
      assert.equal(kept.length, at - oldest);
    }
    await assert.rejects(collect(store.watch('', 24 as Revision, never())), Compacted);
    await using heavy = await open({ historyLengthMax: 100 });
    for (let at = 1; at <= 12; at += 1) await heavy.create(`/${at}`, 'ten long..');
    assert.equal((await take(heavy.watch('', 6 as Revision, never()), 6)).length, 6);
    await assert.rejects(collect(heavy.watch('', 5 as Revision, never())), Compacted);
  });
}

/** Random writes on four keys by several writers at once; the revisions that were answered. */
async function race(
  store: Store,
  { writers, rounds }: { writers: number; rounds: number },
): Promise<Revision[]> {
  const answers: Revision[] = [];
  const writer = async (seed: number): Promise<void> => {
    const random = seededRandom(seed);
    for (let round = 0; round < rounds; round += 1) {
      const key = `/k${Math.floor(random.fraction() * 4)}`;
      const current = await store.get(key);
      try {
        if (!current) answers.push((await store.create(key, `${seed}.${round}`)).modified);
        else if (random.fraction() < 0.3) answers.push(await store.delete(key, current.modified));
        else {
          const written = await store.update(key, `${seed}.${round}`, current.modified);
          answers.push(written.modified);
        }
      } catch (error) {
        assert.ok(error instanceof KeyExists || error instanceof StaleRevision, String(error));
      }
    }
  };
  await Promise.all(Array.from({ length: writers }, (_, seed) => writer(seed)));
  return answers;
}

/** The first `count` changes; the watch ends there. */
async function take(changes: AsyncIterable<Change>, count: number): Promise<Change[]> {
  const taken: Change[] = [];
  if (count === 0) return taken;
  for await (const change of changes) {
    taken.push(change);
    if (taken.length === count) break;
  }
  return taken;
}

async function collect(changes: AsyncIterable<Change>): Promise<Change[]> {
  return await take(changes, Infinity);
}

function keysOf(entries: readonly Entry[]): string[] {
  return entries.map((entry) => entry.key);
}

function never(): AbortSignal {
  return new AbortController().signal;
}
