import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { hasReason } from '#api/meta/api-error.ts';
import { FairShare } from '#apiserver/fair-share.ts';

const { signal } = new AbortController();

function shareOf(seats: number, limits: { waiting?: number; total?: number } = {}) {
  const clock = new FakeClock();
  const { waiting: waitingMax = 50, total: waitingTotalMax = 500 } = limits;
  const share = new FairShare({ seats, waitingMax, waitingTotalMax, waitMs: 1_000, clock });
  const order: string[] = [];
  /** Takes a seat for `name`, and says so when it has one. */
  const take = async (name: string, gone = signal): Promise<Disposable> => {
    const seat = await share.take(name, gone);
    order.push(name);
    return seat;
  };
  return { clock, take, order };
}

/** Lets whoever can go on do so. */
async function turn(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

const isTooMany = (error: unknown): boolean => hasReason(error, 'TooManyRequests');

test('fair share: a noisy client leaves room for another at once', async () => {
  const { take, order } = shareOf(10);
  for (let at = 0; at < 40; at += 1) void take('noisy').catch(() => undefined);
  await turn();
  assert.equal(order.length, 5, 'half of the seats for one client alone');
  await take('quiet');
  assert.equal(order.at(-1), 'quiet');
});

test('fair share: a freed seat goes to who holds fewest, in the order they came', async () => {
  const { take, order } = shareOf(4);
  const seats = await Promise.all([take('a'), take('a'), take('b'), take('b')]);
  void take('a');
  void take('c');
  void take('c');
  await turn();
  order.length = 0;
  for (const seat of seats) {
    seat[Symbol.dispose]();
    seat[Symbol.dispose](); // Twice is once.
    await turn();
  }
  assert.deepEqual(order, ['c', 'a', 'c']);
});

test('fair share: waiting ends with a seat, a time limit, a client that left, or no place to wait', async () => {
  const { clock, take } = shareOf(1, { waiting: 2 });
  const first = await take('a');
  const [late, gone] = [take('b'), new AbortController()];
  const left = take('b', gone.signal);
  await assert.rejects(take('b'), (error) => {
    assert.ok(isTooMany(error));
    assert.match(String(error), /0 requests of "b" are being answered and 2 wait, 1 of 1 in all/);
    return true;
  });
  gone.abort();
  await assert.rejects(left, isTooMany);
  clock.advance(1_000);
  await assert.rejects(late, isTooMany);
  first[Symbol.dispose]();
  (await take('b'))[Symbol.dispose]();
});

test('fair share: where all places to wait are taken, the longest queue gives way', async () => {
  const { take, order } = shareOf(1, { total: 4 });
  const seat = await take('x');
  const waiting = Array.from({ length: 4 }, () => take('noisy'));
  const refused = waiting.pop();
  waiting.push(take('quiet'));
  await assert.rejects(refused ?? Promise.resolve(), isTooMany);
  for (const each of waiting) void each.then((next) => setImmediate(() => next[Symbol.dispose]()));
  seat[Symbol.dispose]();
  await Promise.all(waiting);
  assert.deepEqual(order, ['x', 'noisy', 'quiet', 'noisy', 'noisy']);
});
