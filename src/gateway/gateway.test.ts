import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { Service } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { isReady } from '#api/meta/conditions.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { ask, ready, sendRaw, startApp, startGatewayBed } from '#test/support/gateway-bed.ts';
import { Listener } from './connection/listener.ts';
import { ReadAhead } from './connection/read-ahead.ts';

test('a request is routed by its host to a ready pod of the revision', async () => {
  await using bed = await startGatewayBed();
  await using app = await startApp((request, response) => {
    response.end(JSON.stringify({ url: request.url, headers: request.headers }));
  });
  await bed.revision('hello-00001');
  await bed.pods('hello-00001', [{ name: 'a', port: app.port }]);
  await bed.route('hello.default.localhost', 'hello-00001');
  const answer = await ask(bed.gateway.ports.public, {
    host: 'hello.default.localhost:8080',
    path: '/x?y=1',
    headers: { 'x-forwarded-for': '6.6.6.6', forwarded: 'for=6.6.6.6', 'k-proxy-request': 'a' },
  });
  assert.equal(answer.status, 200);
  const { url, headers } = JSON.parse(answer.body);
  assert.equal(url, '/x?y=1');
  assert.equal(headers.host, 'hello.default.localhost:8080');
  assert.equal(headers['x-forwarded-for'], '127.0.0.1');
  assert.equal(headers['x-forwarded-proto'], 'http');
  assert.equal(headers['x-forwarded-host'], 'hello.default.localhost:8080');
  assert.equal(headers.forwarded, 'for=127.0.0.1;host="hello.default.localhost:8080";proto=http');
  assert.equal(headers['k-proxy-request'], undefined);
  const unknown = await ask(bed.gateway.ports.public, { host: 'other.example' });
  assert.equal(unknown.status, 404);
});

test('a request waits at zero, says so once, and goes to the pod that is announced', async () => {
  await using bed = await startGatewayBed();
  await using app = await startApp((_request, response) => response.end('awake'));
  await bed.revision('hello-00001');
  await bed.route('hello.default.localhost', 'hello-00001');
  const answers = [1, 2, 3].map(() =>
    ask(bed.gateway.ports.public, { host: 'hello.default.localhost' }),
  );
  const demand = await bed.heard('demand');
  assert.deepEqual(demand, {
    type: 'demand',
    namespace: 'default',
    revision: 'hello-00001',
    waiting: 1,
  });
  bed.autoscaler.broadcast({
    type: 'starting',
    namespace: 'default',
    revision: 'hello-00001',
    pod: 'hello-00001-deployment-a',
    address: '127.0.0.1',
    port: app.port,
  });
  for (const answer of await Promise.all(answers)) assert.equal(answer.body, 'awake');
  const { pod, arrivedMs, admittedMs, answeredMs } = await bed.heard('coldStart');
  assert.equal(pod, 'hello-00001-deployment-a');
  assert.ok(arrivedMs <= admittedMs && admittedMs <= answeredMs, 'in order');
});

test('what is no HTTP is refused with 400 and the connection closed', async () => {
  await using bed = await startGatewayBed();
  const answer = await sendRaw(bed.gateway.ports.public, 'GET / HTTP/1.1\r\nHost : a\r\n\r\n');
  assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/);
  assert.match(answer, /connection: close\r\n/);
});

test('an Ingress becomes Ready once its Service exists, and names the gateway', async () => {
  await using bed = await startGatewayBed();
  const split = {
    serviceNamespace: 'default',
    serviceName: 'later',
    servicePort: 80,
    percent: 100,
  };
  const made = await bed.ingress('early', {
    rules: [{ hosts: ['early.example'], http: { paths: [{ splits: [split] }] } }],
  });
  await bed.service('later', [{ name: 'a', port: 1 }]);
  const { status } = await ready(bed.cluster.client, made);
  assert.deepEqual(status?.publicLoadBalancer?.ingress, [
    { domainInternal: 'gateway.knative-serving.svc.cluster.local' },
  ]);
  assert.equal(status?.observedGeneration, 1);
});

test('an update is served at once, and no request fails meanwhile', async () => {
  await using bed = await startGatewayBed();
  await using one = await startApp((_request, response) => response.end('one'));
  await using two = await startApp((_request, response) => response.end('two'));
  await bed.service('one', [{ name: 'a', port: one.port }]);
  await bed.service('two', [{ name: 'b', port: two.port }]);
  const spec = (serviceName: string) => {
    const split = { serviceNamespace: 'default', serviceName, servicePort: 80, percent: 100 };
    return { rules: [{ hosts: ['a.example'], http: { paths: [{ splits: [split] }] } }] };
  };
  let current = await ready(bed.cluster.client, await bed.ingress('a', spec('one')));
  for (let update = 0; update < 20; update += 1) {
    const name = update % 2 === 0 ? 'two' : 'one';
    const wanted = { ...current, spec: spec(name) };
    const asking = ask(bed.gateway.ports.public, { host: 'a.example' });
    current = await ready(bed.cluster.client, await bed.cluster.client.update(Ingress, wanted));
    assert.equal((await asking).status, 200);
    assert.equal((await ask(bed.gateway.ports.public, { host: 'a.example' })).body, name);
  }
});

test('each second the load of each revision is reported, and a pod is let go when its last request ends', async () => {
  await using bed = await startGatewayBed();
  const { promise: held, resolve: hold } = Promise.withResolvers<() => void>();
  await using app = await startApp((_request, response) => hold(() => response.end('done')));
  await bed.revision('hello-00001');
  await bed.pods('hello-00001', [{ name: 'a', port: app.port }]);
  await bed.route('hello.example', 'hello-00001');
  const answer = ask(bed.gateway.ports.public, { host: 'hello.example' });
  const end = await held;
  const { loads } = await bed.heard('report');
  assert.deepEqual(
    loads.map(({ namespace, revision, requests }) => ({ namespace, revision, requests })),
    [{ namespace: 'default', revision: 'hello-00001', requests: 1 }],
  );
  const drained = bed.autoscaler.drain(
    { namespace: 'default', pod: 'a' },
    AbortSignal.timeout(5_000),
  );
  const waiting = ask(bed.gateway.ports.public, { host: 'hello.example' });
  await bed.heard('demand');
  end();
  assert.equal((await answer).body, 'done');
  await drained;
  await bed.pods('hello-00001', [{ name: 'b', port: app.port }]);
  app.server.removeAllListeners('request');
  app.server.on('request', (_request, response) => response.end('from b'));
  assert.equal((await waiting).body, 'from b');
});

test('warm requests are served while the API is gone', async () => {
  await using bed = await startGatewayBed();
  await using app = await startApp((_request, response) => response.end('still here'));
  await bed.revision('hello-00001');
  await bed.pods('hello-00001', [{ name: 'a', port: app.port }]);
  await bed.route('hello.example', 'hello-00001');
  await bed.cluster[Symbol.asyncDispose]();
  await bed.autoscaler[Symbol.asyncDispose]();
  for (let round = 0; round < 5; round += 1) {
    const answer = await ask(bed.gateway.ports.public, { host: 'hello.example' });
    assert.equal(answer.body, 'still here');
  }
});

test('closing lets what is on its way end and accepts nothing more', async () => {
  await using bed = await startGatewayBed();
  const { promise: held, resolve: hold } = Promise.withResolvers<() => void>();
  await using app = await startApp((_request, response) => hold(() => response.end('done')));
  await bed.revision('hello-00001');
  await bed.pods('hello-00001', [{ name: 'a', port: app.port }]);
  await bed.route('hello.example', 'hello-00001');
  const { public: port } = bed.gateway.ports;
  const answer = ask(port, { host: 'hello.example' });
  const end = await held;
  const closed = bed.gateway.close(AbortSignal.timeout(5_000));
  await assert.rejects(ask(port, { host: 'hello.example' }), /ECONNREFUSED/);
  end();
  const { body, headers } = await answer;
  assert.deepEqual([body, headers.connection], ['done', 'close']);
  await closed;
});

test('a taken port is an error that names the flag', async () => {
  await using bed = await startGatewayBed();
  const { public: port } = bed.gateway.ports;
  await assert.rejects(
    Listener.open({
      door: 'public',
      isForPods: false,
      httpsPort: 443,
      addresses: ['127.0.0.1'],
      port,
      flag: '--http-port',
      readAhead: new ReadAhead({ bytesMaxEach: 1, bytesMax: 1 }),
      clock: systemClock,
      log: silentLog,
      onRequest: () => undefined,
    }),
    {
      message: `gateway: cannot listen on 127.0.0.1 port ${port}: another program does; stop it, or choose another port with --http-port`,
    },
  );
});

test('a class of another gateway is never touched', async () => {
  await using bed = await startGatewayBed();
  const split = { serviceNamespace: 'default', serviceName: 'x', servicePort: 80, percent: 100 };
  const spec = { rules: [{ hosts: ['x.example'], http: { paths: [{ splits: [split] }] } }] };
  const { client } = bed.cluster;
  await bed.service('x', [{ name: 'a', port: 1 }]);
  await client.create(Ingress, {
    apiVersion: 'networking.internal.knative.dev/v1alpha1',
    kind: 'Ingress',
    metadata: { namespace: 'default', name: 'theirs' },
    spec,
  });
  // When the one made after it is Ready, the one before it has been seen.
  await bed.route('mine.example', 'x');
  const theirs = await client.get(Ingress, { namespace: 'default', name: 'theirs' });
  assert.equal(theirs?.status, undefined);
});

test('a pod that was announced counts no more once the autoscaler is another, and is asked for again', async () => {
  await using bed = await startGatewayBed();
  await using app = await startApp((_request, response) => response.end('here'));
  await bed.revision('hello-00001');
  await bed.route('hello.default.localhost', 'hello-00001');
  const port = bed.gateway.ports.public;
  const call = (): Promise<{ body: string }> => ask(port, { host: 'hello.default.localhost' });
  const starting = {
    type: 'starting',
    namespace: 'default',
    revision: 'hello-00001',
    pod: 'a',
    address: '127.0.0.1',
    port: app.port,
  } as const;
  const first = call();
  await bed.heard('demand');
  bed.autoscaler.broadcast(starting);
  assert.equal((await first).body, 'here');
  await bed.heard('report');
  // A line that is no message ends the connection, and the gateway makes a new one.
  bed.autoscaler.broadcast({ ...starting, port: -1 });
  await bed.heard('report');
  const second = call();
  const earlier = await Promise.race([
    second.then(() => 'answer'),
    bed.heard('demand').then(() => 'demand'),
  ]);
  assert.equal(earlier, 'demand');
  bed.autoscaler.broadcast({ ...starting, pod: 'b' });
  assert.equal((await second).body, 'here');
});

test('a Service that leads to another one follows what becomes of that', async () => {
  await using bed = await startGatewayBed();
  await using one = await startApp((_request, response) => response.end('one'));
  await using other = await startApp((_request, response) => response.end('other'));
  const { client, running } = bed.cluster;
  const ingresses = running.informers.of(Ingress);
  const isServed = async (is: boolean): Promise<void> => {
    const isSo = (): boolean => {
      const [ingress] = ingresses.list();
      return ingress !== undefined && isReady(ingress) === is;
    };
    assert.ok(await ingresses.until(isSo, 10_000), `not ${is ? 'Ready' : 'waiting'}`);
  };
  const answer = async (): Promise<string> =>
    (await ask(bed.gateway.ports.public, { host: 'a.example' })).body;
  await bed.service('b', [{ name: 'one', port: one.port }]);
  await client.create(Service, {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { namespace: 'default', name: 'a' },
    spec: { type: 'ExternalName', externalName: 'b.default.svc.cluster.local' },
  });
  await bed.route('a.example', 'a');
  assert.equal(await answer(), 'one');
  await client.delete(Service, { namespace: 'default', name: 'b' });
  await isServed(false);
  assert.match(await answer(), /no service for a.example is known yet/);
  await bed.service('b', [{ name: 'other', port: other.port }]);
  await isServed(true);
  assert.equal(await answer(), 'other');
});

test('endpoints that go to another Service are no longer those of the one before', async () => {
  await using bed = await startGatewayBed();
  await using app = await startApp((_request, response) => response.end('hello'));
  const { client } = bed.cluster;
  await bed.service('before', [{ name: 'pod', port: app.port }]);
  await bed.service('after', []);
  await bed.route('before.example', 'before');
  const { public: port } = bed.gateway.ports;
  assert.equal((await ask(port, { host: 'before.example' })).body, 'hello');
  const ref = { namespace: 'default', name: 'before-pod' };
  const slice = await client.get(EndpointSlice, ref);
  assert.ok(slice);
  const labels = { 'kubernetes.io/service-name': 'after' };
  await client.update(EndpointSlice, { ...slice, metadata: { ...slice.metadata, labels } });
  // Ready once the gateway has seen where they went.
  await bed.route('after.example', 'after');
  assert.equal((await ask(port, { host: 'after.example' })).body, 'hello');
  assert.equal((await ask(port, { host: 'before.example' })).status, 503);
});
