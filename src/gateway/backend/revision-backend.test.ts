import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection, createServer, type Server } from 'node:net';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { systemClock, type Clock } from '#base/clock.ts';
import { FakeClock } from '#base/fake-clock.ts';
import { seededRandom } from '#base/random.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import { portOf } from '#test/support/gateway-bed.ts';
import type { Visitor } from './backend.ts';
import { pickPod } from './pick-pod.ts';
import { Pod, type PodEndpoint } from './pod.ts';
import { PodProber } from './pod-prober.ts';
import { RevisionBackend, type ColdStartTimes } from './revision-backend.ts';

interface Guest extends Visitor {
  outcome: string;
}

function guest(): Guest {
  return {
    pod: undefined,
    outcome: 'waiting',
    onPod(pod) {
      this.outcome = pod.name;
    },
    onRefused(status, text) {
      this.outcome = `${status} ${text}`;
    },
    onTimeout() {
      this.outcome = 'timeout';
    },
  };
}

function backend(
  spec: Partial<Revision['spec']> = {},
  clock: Clock = new FakeClock(),
  isEnding: (pod: string) => boolean = () => false,
): { revision: RevisionBackend; demands: number[]; coldStarts: ColdStartTimes[] } {
  const demands: number[] = [];
  const coldStarts: ColdStartTimes[] = [];
  const revision: Revision = {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Revision',
    metadata: { namespace: 'default', name: 'r' },
    spec: { containers: [{ image: 'x' }], ...spec },
  };
  const onDemand = (waiting: number): void => void demands.push(waiting);
  return {
    revision: new RevisionBackend(revision, {
      clock,
      random: seededRandom(1),
      isEnding,
      prober: new PodProber(clock),
      onDemand,
      onColdStart: (times) => void coldStarts.push(times),
    }),
    demands,
    coldStarts,
  };
}

const ready = (name: string): PodEndpoint => ({
  name,
  address: '127.0.0.1',
  port: 1,
  isReady: true,
  isTerminating: false,
});

function enter(revision: RevisionBackend, count: number): Guest[] {
  const guests = Array.from({ length: count }, guest);
  for (const one of guests) revision.enter(one);
  return guests;
}

const outcomes = (guests: readonly Guest[]): string[] => guests.map(({ outcome }) => outcome);

test('a pod never has more requests than containerConcurrency, and who waits is let in by turns', () => {
  const { revision, demands } = backend({ containerConcurrency: 2 });
  revision.pods.setEndpoints([ready('b'), ready('a')]);
  const guests = enter(revision, 6);
  assert.deepEqual(outcomes(guests), ['a', 'a', 'b', 'b', 'waiting', 'waiting']);
  assert.deepEqual(demands, [1], 'said once, not per request');
  const [first, second] = guests;
  if (first) revision.leave(first);
  assert.deepEqual(outcomes(guests).slice(4), ['a', 'waiting']);
  if (second) revision.leave(second);
  assert.deepEqual(outcomes(guests).slice(4), ['a', 'a']);
});

test('more than 10,000 do not wait', () => {
  const { revision } = backend();
  const guests = enter(revision, 10_001);
  assert.equal(guests[9_999]?.outcome, 'waiting');
  assert.equal(guests[10_000]?.outcome, '503 pending request queue full');
  for (const one of guests) revision.leave(one);
  assert.equal(revision.waiting, 0);
});

test('a request that leaves while it waits is not given a pod', () => {
  const { revision } = backend({ containerConcurrency: 1 });
  const [gone, stays] = enter(revision, 2);
  assert.ok(gone && stays);
  revision.leave(gone);
  revision.pods.setEndpoints([ready('a')]);
  assert.deepEqual([gone.outcome, stays.outcome], ['waiting', 'a']);
});

test('a pod that goes and comes back under a request is the same one, and drained when all of its name are', () => {
  const { revision } = backend({ containerConcurrency: 1 });
  revision.pods.setEndpoints([ready('a')]);
  const [first, second] = enter(revision, 2);
  assert.ok(first && second);
  revision.pods.setEndpoints([]);
  revision.pods.setEndpoints([ready('a')]);
  assert.deepEqual(outcomes([first, second]), ['a', 'waiting']);
  // The next of that name, and no other pod: it takes one beside the other's.
  revision.pods.setEndpoints([{ ...ready('a'), address: '192.0.2.77' }]);
  assert.deepEqual(outcomes([first, second]), ['a', 'a']);
  let isDrained = false;
  revision.pods.drain('a', () => (isDrained = true));
  revision.leave(second);
  assert.equal(isDrained, false);
  revision.leave(first);
  assert.equal(isDrained, true);
  assert.equal(revision.pods.hasLeaving, false);
});

test('the time limit runs from when a request comes, whether it waits or is in a pod', () => {
  const clock = new FakeClock();
  const { revision } = backend({ timeoutSeconds: 10 }, clock);
  const [late] = enter(revision, 1);
  clock.advance(6_000);
  const [inTime] = enter(revision, 1);
  clock.advance(5_000);
  assert.equal(late?.outcome, 'timeout');
  if (late) revision.leave(late);
  revision.pods.setEndpoints([ready('a')]);
  assert.equal(inTime?.outcome, 'a');
  clock.advance(4_500);
  assert.equal(inTime?.outcome, 'a');
  clock.advance(1_000);
  assert.equal(inTime?.outcome, 'timeout');
});

for (const field of ['responseStartTimeoutSeconds', 'idleTimeoutSeconds']) {
  test(`${field} runs from when a request comes, too`, () => {
    const clock = new FakeClock();
    const { revision } = backend({ timeoutSeconds: 100, [field]: 10 }, clock);
    const [waiting, served] = enter(revision, 2);
    assert.ok(waiting && served);
    clock.advance(5_000);
    revision.leave(waiting);
    const [late] = enter(revision, 1);
    revision.pods.setEndpoints([ready('a')]);
    revision.deadlines.start?.clear(served);
    revision.deadlines.idle?.set(served);
    clock.advance(5_000);
    assert.deepEqual(outcomes([served, late ?? served]), ['a', 'a']);
    clock.advance(4_999);
    assert.equal(late?.outcome, 'a');
    clock.advance(1);
    assert.equal(late?.outcome, 'timeout');
    assert.equal(served.outcome, field === 'idleTimeoutSeconds' ? 'timeout' : 'a');
  });
}

test('who waits when its revision is deleted is refused, who is in a pod has its time and no other pod', () => {
  const clock = new FakeClock();
  const { revision } = backend({ containerConcurrency: 1, timeoutSeconds: 10 }, clock);
  revision.pods.setEndpoints([ready('a'), ready('b')]);
  const [slow, moved, waits] = enter(revision, 3);
  assert.ok(slow && moved && waits);
  revision.retire();
  assert.equal(waits.outcome, '503 the revision was deleted');
  revision.leave(waits);
  revision.enterAgain(moved);
  assert.equal(moved.outcome, '503 the revision was deleted');
  revision.leave(moved);
  clock.advance(9_999);
  assert.equal(slow.outcome, 'a');
  clock.advance(1);
  assert.equal(slow.outcome, 'timeout');
  revision.leave(slow);
  assert.equal(revision.pods.hasLeaving, false);
});

test('a pod that is ending is not chosen, whoever lists or announces it after that', () => {
  const { revision } = backend({}, new FakeClock(), (pod) => pod === 'late');
  revision.pods.setEndpoints([ready('late')]);
  assert.equal(revision.pods.usable.length, 0);
  revision.pods.setEndpoints([ready('late'), ready('other')]);
  assert.deepEqual(outcomes(enter(revision, 2)), ['other', 'other']);
});

test('of those that wait at zero the first is followed to its answer', () => {
  const clock = new FakeClock();
  const { revision, coldStarts } = backend({}, clock);
  const startMs = clock.monotonicMs();
  const [first, second] = enter(revision, 2);
  assert.ok(first && second);
  clock.advance(5);
  revision.pods.setEndpoints([ready('a')]);
  clock.advance(2);
  revision.answered(second);
  revision.answered(first);
  for (const one of [first, second]) revision.leave(one);
  const [warm] = enter(revision, 1);
  if (warm) revision.answered(warm);
  assert.deepEqual(
    coldStarts.map(({ pod, arrivedMs, admittedMs, answeredMs }) => [
      pod,
      ...[arrivedMs, admittedMs, answeredMs].map((ms) => ms - startMs),
    ]),
    [['a', 0, 5, 7]],
  );
});

test('who goes before it is answered tells nothing of a cold start', () => {
  const { revision, coldStarts } = backend();
  const [gone] = enter(revision, 1);
  if (gone) revision.leave(gone);
  const [next] = enter(revision, 1);
  revision.pods.setEndpoints([ready('a')]);
  if (next) revision.answered(next);
  assert.equal(coldStarts.length, 1);
});

test('a drained pod is chosen no more, and drained when its last request has left', () => {
  const { revision } = backend();
  revision.pods.setEndpoints([ready('a')]);
  const [one] = enter(revision, 1);
  let drained = 0;
  revision.pods.drain('a', () => {
    drained += 1;
  });
  assert.equal(drained, 0);
  assert.deepEqual(outcomes(enter(revision, 1)), ['waiting']);
  // The API may forget the pod before the request in it has ended.
  revision.pods.setEndpoints([]);
  assert.equal(drained, 0);
  if (one) revision.leave(one);
  assert.equal(drained, 1);
  revision.pods.drain('nobody', () => {
    drained += 1;
  });
  assert.equal(drained, 2);
});

test('who no longer waits for a pod to be drained is told nothing, the others are', () => {
  const { revision } = backend();
  revision.pods.setEndpoints([ready('a')]);
  const [one] = enter(revision, 1);
  const told: string[] = [];
  const gone = revision.pods.drain('a', () => told.push('gone'));
  revision.pods.drain('a', () => told.push('waits'));
  gone[Symbol.dispose]();
  if (one) revision.leave(one);
  assert.deepEqual(told, ['waits']);
});

test('a terminating pod and one that is no longer listed take no new requests', () => {
  const { revision } = backend();
  revision.pods.setEndpoints([ready('a'), { ...ready('b'), isTerminating: true }]);
  assert.deepEqual(outcomes(enter(revision, 2)), ['a', 'a']);
  revision.pods.setEndpoints([{ ...ready('b'), isTerminating: true }]);
  assert.deepEqual(outcomes(enter(revision, 1)), ['waiting']);
});

test('the load is exact over time, waiting requests included', () => {
  const clock = new FakeClock();
  const { revision } = backend({}, clock);
  assert.equal(revision.meter.read(), undefined);
  const [one] = enter(revision, 2);
  clock.advance(500);
  if (one) revision.leave(one);
  clock.advance(500);
  assert.deepEqual(revision.meter.read(), { concurrency: 1.5, requests: 2 });
  clock.advance(1_000);
  assert.deepEqual(revision.meter.read(), { concurrency: 1, requests: 0 });
});

async function listen(port = 0): Promise<Server> {
  const server = createServer((socket) => socket.on('error', () => undefined));
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** Resolves when a guest has a pod. */
function admitted(revision: RevisionBackend): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  revision.enter({ ...guest(), onPod: (pod) => resolve(pod.name) });
  return promise;
}

test('a hinted pod takes requests as soon as it accepts connections', async () => {
  const server = await listen();
  const port = portOf(server);
  server.close();
  await once(server, 'close');
  const { revision } = backend({}, systemClock);
  revision.pods.hint({ name: 'a', address: '127.0.0.1', port });
  const name = admitted(revision);
  const late = await listen(port);
  assert.equal(await name, 'a');
  revision[Symbol.dispose]();
  late.close();
});

test('a hint that is taken back, or that the API contradicts, is no pod', async () => {
  const server = await listen();
  const endpoint = { name: 'a', address: '127.0.0.1', port: portOf(server) };
  const { revision } = backend({}, systemClock);
  revision.pods.hint(endpoint);
  revision.pods.unhint('a');
  revision.pods.hint({ ...endpoint, name: 'b' });
  assert.equal(await admitted(revision), 'b');
  revision.pods.setEndpoints([]);
  assert.deepEqual(
    revision.pods.usable.map(({ name }) => name),
    ['b'],
    'not listed yet is not contradicted',
  );
  revision.pods.setEndpoints([{ ...endpoint, name: 'b', isReady: true, isTerminating: false }]);
  revision.pods.setEndpoints([]);
  assert.deepEqual(revision.pods.usable, []);
  revision[Symbol.dispose]();
  server.close();
});

test('a pod that cannot be connected to is asked until it can be again', async () => {
  const server = await listen();
  const port = portOf(server);
  const { revision } = backend({}, systemClock);
  revision.pods.setEndpoints([{ ...ready('a'), port }]);
  const { promise, resolve } = Promise.withResolvers<void>();
  let visits = 0;
  const visitor: Visitor = {
    ...guest(),
    onPod() {
      visits += 1;
      if (visits === 2) resolve();
    },
  };
  revision.enter(visitor);
  revision.enterAgain(visitor);
  assert.equal(revision.waiting, 1);
  await promise;
  assert.equal(revision.waiting, 0);
  revision[Symbol.dispose]();
  server.close();
});

test('a revision whose probe only the agent can make trusts the API alone', () => {
  for (const probe of [{ exec: { command: ['true'] } }, { httpGet: { scheme: 'https' } }]) {
    const { revision } = backend({ containers: [{ image: 'x', readinessProbe: probe }] });
    revision.pods.hint({ name: 'a', address: '127.0.0.1', port: 1 });
    assert.deepEqual(outcomes(enter(revision, 1)), ['waiting']);
    revision.pods.setEndpoints([ready('a')]);
    assert.equal(revision.waiting, 0);
  }
});

test('that a pod can be connected to does not contradict an agent that says it is not ready', async () => {
  const server = await listen();
  const probe = { exec: { command: ['false'] } };
  const spec = { containers: [{ image: 'x', readinessProbe: probe }] };
  const { revision } = backend(spec, systemClock);
  const endpoint = { ...ready('a'), port: portOf(server) };
  revision.pods.setEndpoints([endpoint]);
  const [pod] = revision.pods.usable;
  assert.ok(pod);
  const connected = once(server, 'connection');
  revision.pods.suspect(pod);
  revision.pods.setEndpoints([{ ...endpoint, isReady: false }]);
  const witness = createConnection({ port: endpoint.port, host: '127.0.0.1' });
  await Promise.all([connected, once(witness, 'connect')]);
  await setImmediate();
  assert.deepEqual(revision.pods.usable, []);
  witness.destroy();
  revision[Symbol.dispose]();
  server.close();
});

test('which pod is picked depends on the limit', () => {
  const clock = new FakeClock();
  const pods = ['a', 'b', 'c'].map((name) => new Pod(ready(name), clock));
  const [a, b, c] = pods;
  assert.ok(a && b && c);
  const random = seededRandom(5);
  const pick = (concurrency: number, state = { next: 0 }): string | undefined =>
    pickPod(pods, { concurrency, state, random })?.name;
  a.inFlight = 1;
  assert.equal(pick(2), 'a', 'the first with room');
  assert.equal(pick(1), 'b');
  const state = { next: 0 };
  assert.deepEqual(
    [pick(10, state), pick(10, state), pick(10, state), pick(10, state)],
    ['a', 'b', 'c', 'a'],
  );
  b.inFlight = 5;
  c.inFlight = 5;
  // Two different ones are drawn, and the empty one is among them two times of three.
  const drawn = Array.from({ length: 300 }, () => pick(0));
  const empty = drawn.filter((name) => name === 'a').length;
  assert.ok(empty > 150 && empty < 250, `${empty} of 300`);
  assert.equal(pickPod([], { concurrency: 0, state, random }), undefined);
});
