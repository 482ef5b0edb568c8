import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, ready, sendRaw, startApp, startGatewayBed } from '#test/support/gateway-bed.ts';

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
  await bed.service('later', []);
  const { status } = await ready(bed.cluster.client, made);
  assert.deepEqual(status?.publicLoadBalancer?.ingress, [
    { domainInternal: 'gateway.knative-serving.svc.cluster.local' },
  ]);
  assert.equal(status?.observedGeneration, 1);
});
