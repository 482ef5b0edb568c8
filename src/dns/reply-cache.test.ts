import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decode, encode, type Answer, type Packet } from 'dns-packet';
import { FakeClock } from '#base/fake-clock.ts';
import { ReplyCache } from '#dns/reply-cache.ts';

const question = { name: 'example.com', type: 'A' } as const;
const soa: Answer = {
  type: 'SOA',
  name: 'example.com',
  ttl: 600,
  data: { mname: 'a', rname: 'b', serial: 1, refresh: 2, retry: 3, expire: 4, minimum: 7 },
};

function query(id: number): Buffer {
  return encode({ type: 'query', id, flags: 0x0100, questions: [question] });
}

function reply(changes: Partial<Packet>): Buffer {
  return encode({ type: 'response', id: 1, questions: [question], ...changes });
}

const address: Answer = { type: 'A', name: 'example.com', ttl: 20, data: '192.0.2.1' };

test('reply cache: an answer holds for its time to live, which runs down', () => {
  const clock = new FakeClock();
  const cache = new ReplyCache(clock);
  cache.put(query(1), 'udp', reply({ answers: [address, { ...address, ttl: 600 }] }));
  clock.advance(5_000);
  const kept = cache.get(query(2), 'udp');
  assert.ok(kept);
  const { id, answers = [] } = decode(kept);
  assert.equal(id, 2);
  assert.deepEqual(
    answers.map((answer) => ('ttl' in answer ? answer.ttl : undefined)),
    [15, 595],
  );
  assert.equal(cache.get(query(2), 'tcp'), undefined, 'another way may carry more');
  clock.advance(15_000);
  assert.equal(cache.get(query(3), 'udp'), undefined);
});

test('reply cache: what is not there stays away for as long as its zone says', () => {
  const clock = new FakeClock();
  for (const flags of [0, 3]) {
    const cache = new ReplyCache(clock);
    cache.put(query(1), 'udp', reply({ flags, authorities: [soa] }));
    clock.advance(6_999);
    assert.ok(cache.get(query(1), 'udp'), String(flags));
    clock.advance(1);
    assert.equal(cache.get(query(1), 'udp'), undefined);
  }
});

test('reply cache: failures, cut and broken answers are not kept, nor any for longer than half a minute', () => {
  const clock = new FakeClock();
  const cache = new ReplyCache(clock);
  const whole = reply({ answers: [address] });
  for (const bad of [
    reply({ flags: 2, authorities: [soa] }),
    reply({ flags: 3 }),
    reply({ flags: 0x0200, answers: [address] }),
    reply({ answers: [{ ...address, ttl: 0 }] }),
    whole.subarray(0, whole.length - 2),
    Buffer.alloc(12, 0xff),
  ]) {
    cache.put(query(1), 'udp', bad);
    assert.equal(cache.get(query(1), 'udp'), undefined);
  }
  cache.put(query(1), 'udp', reply({ answers: [{ ...address, ttl: 9_999 }] }));
  clock.advance(29_999);
  assert.ok(cache.get(query(1), 'udp'));
  clock.advance(1);
  assert.equal(cache.get(query(1), 'udp'), undefined);
});
