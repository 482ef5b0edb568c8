import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { systemClock } from '#base/clock.ts';
import { portOf } from '#test/support/gateway-bed.ts';
import { ConnectionPool } from './connection-pool.ts';

test('a connection that has just ended is not taken, though its close is still to be told', async () => {
  const server = createServer((socket) => socket.on('error', () => socket.destroy()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  using pool = new ConnectionPool({
    address: '127.0.0.1',
    port: portOf(server),
    clock: systemClock,
  });
  const kept = pool.connect();
  pool.put(kept);
  assert.equal(pool.take(), kept);
  pool.put(kept);
  kept.destroy();
  const taken = pool.take();
  assert.notEqual(taken, kept);
  taken.destroy();
  server.close();
});
