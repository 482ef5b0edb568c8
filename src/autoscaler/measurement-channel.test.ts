import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { AsyncQueue } from '#base/async-queue.ts';
import { systemClock, type Clock } from '#base/clock.ts';
import { FakeClock } from '#base/fake-clock.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { connectMeasurements } from '#autoscaler/measurement-client.ts';
import { startMeasurementServer } from '#autoscaler/measurement-server.ts';
import type { FromAutoscaler, FromGateway } from '#autoscaler/measurements.ts';

interface Received<T> {
  readonly push: (value: T) => void;
  readonly next: () => Promise<T>;
}

function received<T>(): Received<T> {
  const queue = new AsyncQueue<T>(100, () => new Error('more messages than this test expects'));
  const values = queue[Symbol.asyncIterator]();
  return {
    push: (value) => queue.push(value),
    next: async () => {
      const { done, value } = await values.next();
      assert.ok(!done);
      return value;
    },
  };
}

async function socketFolder(): Promise<{ socketPath: string } & AsyncDisposable> {
  const folder = await mkdtemp(path.join(tmpdir(), 'knode-'));
  return {
    socketPath: path.join(folder, 'measurements.sock'),
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

const random = seededRandom(1);

function connect(socketPath: string): ReturnType<typeof connectMeasurements> & {
  readonly messages: Received<FromAutoscaler>;
  readonly connects: Received<true>;
} {
  const messages = received<FromAutoscaler>();
  const connects = received<true>();
  const client = connectMeasurements({
    socketPath,
    clock: systemClock,
    random,
    log: silentLog,
    onMessage: messages.push,
    onConnected: () => connects.push(true),
  });
  return Object.assign(client, { messages, connects });
}

async function serve(
  socketPath: string,
  messages: Received<FromGateway>,
  clock: Clock = systemClock,
): ReturnType<typeof startMeasurementServer> {
  return startMeasurementServer({ socketPath, clock, log: silentLog, onMessage: messages.push });
}

const demand = { type: 'demand', namespace: 'default', revision: 'a-00001', waiting: 3 } as const;
const stopped = {
  type: 'stopped',
  namespace: 'default',
  revision: 'a-00001',
  pod: 'a-x',
} as const;

test('measurement channel: carries messages both ways', async () => {
  await using folder = await socketFolder();
  const fromGateway = received<FromGateway>();
  await using server = await serve(folder.socketPath, fromGateway);
  using client = connect(folder.socketPath);
  await client.connects.next();
  const report = {
    type: 'report',
    atMs: 0,
    periodMs: 1000,
    loads: [{ namespace: 'default', revision: 'a-00001', concurrency: 0.5, requests: 7 }],
  } as const;
  assert.ok(client.send(report));
  assert.deepEqual(await fromGateway.next(), report);
  assert.ok(client.send(demand));
  assert.deepEqual(await fromGateway.next(), demand);
  server.broadcast(stopped);
  assert.deepEqual(await client.messages.next(), stopped);
});

test('measurement channel: a gateway connects again when the autoscaler comes back', async () => {
  await using folder = await socketFolder();
  const fromGateway = received<FromGateway>();
  const first = await serve(folder.socketPath, fromGateway);
  using client = connect(folder.socketPath);
  await client.connects.next();
  await first[Symbol.asyncDispose]();
  await using _second = await serve(folder.socketPath, fromGateway);
  await client.connects.next();
  assert.ok(client.send(demand));
  assert.deepEqual(await fromGateway.next(), demand);
});

test('measurement channel: a gateway may start before the autoscaler', async () => {
  await using folder = await socketFolder();
  using client = connect(folder.socketPath);
  assert.equal(client.send(demand), false);
  await using _server = await serve(folder.socketPath, received<FromGateway>());
  await client.connects.next();
  assert.ok(client.isConnected);
});

test('measurement channel: drained when every gateway has said so', async () => {
  await using folder = await socketFolder();
  const fromGateway = received<FromGateway>();
  await using server = await serve(folder.socketPath, fromGateway);
  const { signal } = new AbortController();
  const pod = { namespace: 'default', pod: 'a-x' };
  using one = connect(folder.socketPath);
  using two = connect(folder.socketPath);
  await Promise.all([one.connects.next(), two.connects.next()]);
  for (const client of [one, two]) {
    client.send(demand);
    await fromGateway.next();
  }
  const drained = server.drain(pod, signal);
  assert.deepEqual(await one.messages.next(), { type: 'drain', ...pod });
  assert.deepEqual(await two.messages.next(), { type: 'drain', ...pod });
  one.send({ type: 'drained', ...pod });
  await fromGateway.next();
  two[Symbol.dispose]();
  await drained;
});

test('measurement channel: at first a drain waits for the gateway that is about to come back', async () => {
  await using folder = await socketFolder();
  const fromGateway = received<FromGateway>();
  const clock = new FakeClock();
  await using server = await serve(folder.socketPath, fromGateway, clock);
  const { signal } = new AbortController();
  const pod = { namespace: 'default', pod: 'a-x' };
  const early = server.drain(pod, signal);
  using client = connect(folder.socketPath);
  assert.deepEqual(await client.messages.next(), { type: 'drain', ...pod });
  client.send({ type: 'drained', ...pod });
  await early;
});

test('measurement channel: where no gateway comes, there is nothing to wait for', async () => {
  await using folder = await socketFolder();
  const clock = new FakeClock();
  await using server = await serve(folder.socketPath, received<FromGateway>(), clock);
  const drained = server.drain({ namespace: 'default', pod: 'a-x' }, new AbortController().signal);
  clock.advance(3_000);
  await drained;
});

test('measurement channel: an aborted drain ends', async () => {
  await using folder = await socketFolder();
  const fromGateway = received<FromGateway>();
  await using server = await serve(folder.socketPath, fromGateway);
  using client = connect(folder.socketPath);
  await client.connects.next();
  client.send(demand);
  await fromGateway.next();
  const abort = new AbortController();
  const drained = server.drain({ namespace: 'default', pod: 'a-x' }, abort.signal);
  abort.abort(new Error('grace is over'));
  await assert.rejects(drained, /grace is over/);
});

test('measurement channel: a line it does not know closes the connection, and only that one', async () => {
  await using folder = await socketFolder();
  const fromGateway = received<FromGateway>();
  await using _server = await serve(folder.socketPath, fromGateway);
  for (const line of ['not json', '[]', '{"type":"other"}', '{"type":"demand","namespace":1}']) {
    const socket = createConnection(folder.socketPath);
    socket.on('error', () => undefined);
    socket.resume();
    socket.write(`${line}\n`);
    await once(socket, 'close');
  }
  using client = connect(folder.socketPath);
  await client.connects.next();
  client.send(demand);
  assert.deepEqual(await fromGateway.next(), demand);
});

test('measurement channel: refuses a socket path that Unix cannot hold', async () => {
  await assert.rejects(serve(`/${'a'.repeat(108)}`, received<FromGateway>()), /shorter KNODE_HOME/);
});
