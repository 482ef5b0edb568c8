import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FakeClock } from '#base/fake-clock.ts';
import { PodStarts } from '#agent/pods/pod-starts.ts';

const pod = { namespace: 'default', name: 'a' };

test('pod starts: the first time counts, whatever is made anew later', () => {
  const clock = new FakeClock();
  const starts = new PodStarts(clock);
  const begunMs = clock.monotonicMs();
  starts.begin(pod);
  clock.advance(5);
  starts.started(pod);
  clock.advance(5);
  starts.begin(pod);
  starts.started(pod);
  assert.deepEqual(starts.of(pod), { begunMs, startedMs: begunMs + 5 });
  assert.equal(starts.of({ ...pod, name: 'b' }), undefined);
});

test('pod starts: of many pods the newest are known', () => {
  const starts = new PodStarts(new FakeClock());
  for (let at = 0; at < 300; at += 1) starts.begin({ namespace: 'default', name: `pod-${at}` });
  assert.equal(starts.of({ namespace: 'default', name: 'pod-0' }), undefined);
  assert.ok(starts.of({ namespace: 'default', name: 'pod-299' }));
});
