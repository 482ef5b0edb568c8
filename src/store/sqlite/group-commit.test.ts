import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { GroupCommit } from '#store/sqlite/group-commit.ts';
import { StoreImage } from '#store/store-image.ts';
import { KeyExists, StoreUnavailable, revisionOf, type Change } from '#store/store.ts';

/** A disk that fails when it is told to, before or after it has taken the batch. */
class FaultyDisk {
  readonly durable: Change[] = [];
  readonly batches: number[] = [];
  readonly image = new StoreImage();
  readonly clock = new FakeClock();
  fault: 'none' | 'before' | 'after' = 'none';
  readonly commit = new GroupCommit({
    image: this.image,
    clock: this.clock,
    append: async (changes) => {
      this.batches.push(changes.length);
      if (this.fault === 'before') throw new Error('disk I/O error');
      this.durable.push(...changes);
      if (this.fault === 'after') throw new Error('disk I/O error');
    },
    recover: async () => {
      if (this.fault !== 'none') throw new Error('disk I/O error');
      for (const change of this.durable.slice(this.image.revision)) this.image.apply(change);
    },
  });

  create(key: string): Promise<Change> {
    return this.commit.submit({ type: 'create', key, value: '' });
  }
}

test('writers of one turn share a sync', async () => {
  const disk = new FaultyDisk();
  const changes = await Promise.all(Array.from({ length: 16 }, (_, at) => disk.create(`/${at}`)));
  assert.deepEqual(disk.batches, [16]);
  assert.deepEqual(
    changes.map(revisionOf),
    changes.map((_, at) => at + 1),
  );
});

test('a failed batch takes everything that was built on it with it, and its revisions come again', async () => {
  const disk = new FaultyDisk();
  await disk.create('/a');
  disk.fault = 'before';
  const failed = await Promise.allSettled(['/b', '/c', '/d'].map((key) => disk.create(key)));
  for (const result of failed) {
    assert.ok(result.status === 'rejected' && result.reason instanceof StoreUnavailable);
  }
  assert.equal(disk.image.revision, 1);
  disk.fault = 'none';
  await assert.rejects(disk.create('/b'), StoreUnavailable, 'the disk is not tried again at once');
  disk.clock.advance(1_000);
  assert.equal(revisionOf(await disk.create('/b')), 2);
});

test('a batch that was committed and reported as failed becomes visible with the recovery', async () => {
  const disk = new FaultyDisk();
  disk.fault = 'after';
  await assert.rejects(disk.create('/a'), StoreUnavailable);
  assert.equal(disk.image.get('/a'), undefined);
  disk.fault = 'none';
  disk.clock.advance(1_000);
  await assert.rejects(disk.create('/a'), KeyExists);
  assert.equal(revisionOf(await disk.create('/b')), 2);
});

test('a recovery that fails is a refusal, not a loop', async () => {
  const disk = new FaultyDisk();
  disk.fault = 'before';
  await assert.rejects(disk.create('/a'), StoreUnavailable);
  for (let attempt = 0; attempt < 3; attempt += 1) {
    disk.clock.advance(1_000);
    await assert.rejects(disk.create('/a'), /Cannot write to the store: disk I\/O error/);
  }
  assert.deepEqual(disk.batches, [1]);
});

test('nobody hears of a value that never became durable', async () => {
  const disk = new FaultyDisk();
  disk.fault = 'before';
  const [first, second] = await Promise.allSettled([disk.create('/a'), disk.create('/a')]);
  assert.ok(first.status === 'rejected' && first.reason instanceof StoreUnavailable);
  assert.ok(second.status === 'rejected' && second.reason instanceof StoreUnavailable);
});
