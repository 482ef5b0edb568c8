import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { portOf } from '#test/support/gateway-bed.ts';
import { splice } from './splice.ts';

/** Both ends of one connection; the first is the listener's. */
async function pair(): Promise<readonly [Socket, Socket]> {
  const server = createServer({ allowHalfOpen: true });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const theirs = createConnection({ port: portOf(server), host: '127.0.0.1' });
  const [ours] = (await once(server, 'connection')) as [Socket];
  server.close();
  return [ours, theirs];
}

test('what a pod said last reaches a client that reads slowly', async () => {
  const [client, reader] = await pair();
  const [podPeer, pod] = await pair();
  reader.pause();
  const chunk = Buffer.alloc(16 * 1024);
  let sent = 0;
  // The kernel's buffers are full, ours is not: the pod's end is seen at once.
  while (client.writableLength === 0) {
    client.write(chunk);
    sent += chunk.length;
    await setImmediate();
  }
  const { promise: closed, resolve: onClosed } = Promise.withResolvers<void>();
  splice(client, pod, { onMoved: () => undefined, onClosed });
  podPeer.end('the end');
  await once(pod, 'close');
  let received = 0;
  reader.on('data', (data) => {
    received += data.length;
  });
  reader.resume();
  await once(reader, 'end');
  assert.equal(received, sent + 'the end'.length);
  await closed;
  podPeer.destroy();
});
