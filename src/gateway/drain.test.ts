import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createConnection } from 'node:net';
import type { Duplex } from 'node:stream';
import { test } from 'node:test';
import { Pod } from '#api/core-v1/pod.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { ask, startApp, startGatewayBed, type GatewayBed } from '#test/support/gateway-bed.ts';

const GATEWAY = 'gateway-internal.knative-serving.svc.cluster.local';

/** A Pod of the revision that has been told to end, which a finalizer keeps. */
async function endingPod({ cluster: { client } }: GatewayBed, name: string): Promise<void> {
  await client.create(Pod, {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      namespace: 'default',
      name,
      labels: { 'serving.knative.dev/revision': 'hello-00001' },
      finalizers: ['example.com/kept'],
    },
    spec: { containers: [{ name: 'main', image: 'example.com/app' }] },
  });
  await client.delete(Pod, { namespace: 'default', name });
}

test('who ends a container is answered once no request is in a pod that is ending', async () => {
  await using bed = await startGatewayBed();
  const { promise: held, resolve: hold } = Promise.withResolvers<() => void>();
  await using app = await startApp((request, response) => {
    if (request.url === '/held') hold(() => response.end('done'));
    else response.end('at once');
  });
  await bed.revision('hello-00001');
  await bed.pods('hello-00001', [{ name: 'a', port: app.port }]);
  await bed.route('hello.example', 'hello-00001');
  const drain = async (door: 'public' | 'internal' = 'internal'): Promise<number> => {
    const path = '/drain/default/hello-00001';
    return (await ask(bed.gateway.ports[door], { host: GATEWAY, path })).status;
  };
  assert.equal(await drain(), 200, 'no pod is ending');
  const answer = ask(bed.gateway.ports.public, { host: 'hello.example', path: '/held' });
  const end = await held;
  assert.equal(await drain(), 200, 'and so the one with a request in it is left alone');
  assert.equal(await drain('public'), 404);
  await endingPod(bed, 'a');
  let answered = 0;
  const drains = [1, 2, 3].map(async () => {
    assert.equal(await drain(), 200);
    answered += 1;
  });
  const demand = bed.heard('demand').then(() => 'demand');
  let waiting = ask(bed.gateway.ports.public, { host: 'hello.example' });
  while ((await Promise.race([waiting, demand])) !== 'demand')
    waiting = ask(bed.gateway.ports.public, { host: 'hello.example' });
  assert.equal(answered, 0);
  end();
  assert.equal((await answer).body, 'done');
  await Promise.all(drains);
  app.server.removeAllListeners('request');
  app.server.on('request', (_request, response) => response.end('from b'));
  await bed.pods('hello-00001', [{ name: 'b', port: app.port }]);
  assert.equal((await waiting).body, 'from b');
});

test('a pod that the gateway hears of after it was told to let it go gets no request', async () => {
  await using bed = await startGatewayBed();
  await using app = await startApp((_request, response) => response.end('hello'));
  await using ending = await startApp((_request, response) => response.end('from one that ends'));
  await bed.revision('hello-00001');
  await bed.route('hello.example', 'hello-00001');
  const signal = AbortSignal.timeout(5_000);
  await bed.autoscaler.drain({ namespace: 'default', pod: 'late' }, signal);
  await endingPod(bed, 'later');
  const path = '/drain/default/hello-00001';
  assert.equal((await ask(bed.gateway.ports.internal, { host: GATEWAY, path })).status, 200);
  const answer = ask(bed.gateway.ports.public, { host: 'hello.example' });
  await bed.heard('demand');
  await bed.pods('hello-00001', [
    { name: 'late', port: ending.port },
    { name: 'later', port: ending.port },
    { name: 'other', port: app.port },
  ]);
  assert.equal((await answer).body, 'hello');
  const asked = await Promise.all(
    Array.from({ length: 20 }, () => ask(bed.gateway.ports.public, { host: 'hello.example' })),
  );
  assert.ok(asked.every(({ body }) => body === 'hello'));
});

test('what has changed the protocol does not keep its pod, and goes on until its program ends it', async () => {
  await using bed = await startGatewayBed();
  const { promise: upgraded, resolve: upgrade } = Promise.withResolvers<Duplex>();
  await using app = await startApp((_request, response) => response.end());
  app.server.on('upgrade', (_request, socket: Duplex) => {
    socket.write(
      'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n',
    );
    upgrade(socket);
  });
  await bed.revision('hello-00001');
  await bed.pods('hello-00001', [{ name: 'a', port: app.port }]);
  await bed.route('hello.example', 'hello-00001');
  const client = createConnection({ port: bed.gateway.ports.public, host: '127.0.0.1' });
  client.write(
    'GET / HTTP/1.1\r\nHost: hello.example\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n',
  );
  await once(client, 'data');
  const program = await upgraded;
  await endingPod(bed, 'a');
  const { status } = await ask(bed.gateway.ports.internal, {
    host: GATEWAY,
    path: '/drain/default/hello-00001',
  });
  assert.equal(status, 200);
  // Gone for the API, as a pod is that has no endpoint any more; its program still speaks.
  await bed.pods('hello-00001', []);
  client.write('more?');
  assert.equal(String((await once(program, 'data'))[0]), 'more?');
  program.end('goodbye');
  assert.equal(String((await once(client, 'data'))[0]), 'goodbye');
  client.end();
  await once(client, 'close');
});

test('of what is no revision, or has no pod, nothing is to be drained', async () => {
  await using bed = await startGatewayBed();
  const drain = async (path: string): Promise<number> =>
    (await ask(bed.gateway.ports.internal, { host: GATEWAY, path })).status;
  assert.equal(await drain('/drain/default/nobody'), 200);
  assert.equal(await drain('/drain/default'), 404);
  await bed.revision('hello-00001');
  await endingPod(bed, 'gone');
  assert.equal(await drain('/drain/default/hello-00001'), 200);
});

test('a revision that is deleted lets its requests end before its pods', async () => {
  await using bed = await startGatewayBed();
  const { promise: held, resolve: hold } = Promise.withResolvers<() => void>();
  await using app = await startApp((_request, response) => hold(() => response.end('done')));
  await bed.revision('hello-00001');
  await bed.pods('hello-00001', [{ name: 'a', port: app.port }]);
  await bed.route('hello.example', 'hello-00001');
  const answer = ask(bed.gateway.ports.public, { host: 'hello.example' });
  const end = await held;
  await endingPod(bed, 'a');
  await bed.cluster.client.delete(Revision, { namespace: 'default', name: 'hello-00001' });
  const asking = ask(bed.gateway.ports.internal, {
    host: GATEWAY,
    path: '/drain/default/hello-00001',
  });
  const drained = bed.autoscaler.drain(
    { namespace: 'default', pod: 'a' },
    AbortSignal.timeout(5_000),
  );
  const first = await Promise.race([
    asking.then(() => 'kubelet answered'),
    drained.then(() => 'agent answered'),
    bed.heard('report').then(() => 'a second later'),
  ]);
  assert.equal(first, 'a second later');
  end();
  assert.equal((await answer).body, 'done');
  assert.equal((await asking).status, 200);
  await drained;
});
