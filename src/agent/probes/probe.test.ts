import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { test } from 'node:test';
import { Gate } from '#base/gate.ts';
import type { Probe } from '#api/generated/core-v1.ts';
import { probeOnce } from '#agent/probes/probe.ts';
import { makeAuthority } from '#test/support/test-authority.ts';

const never = new AbortController().signal;

function ask(probe: Probe): Promise<string> {
  const target = {
    address: '127.0.0.1',
    container: { name: 'main', image: 'x', ports: [{ name: 'web', containerPort: 1 }] },
    id: 'none',
    runtime: { exec: () => Promise.reject(new Error('there is none')) },
    execs: new Gate(1),
  };
  return probeOnce(probe, target, never);
}

async function listening<T extends Server>(server: T): Promise<AsyncDisposable & { port: number }> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    port,
    async [Symbol.asyncDispose]() {
      server.close();
      await once(server, 'close');
    },
  };
}

test('probe: HTTP with headers of its own, redirects on the same host, words for what fails', async () => {
  const seen: http.IncomingHttpHeaders[] = [];
  const paths: Readonly<Record<string, readonly [number, string?]>> = {
    '/ok?a=b': [200],
    '/away': [302, 'http://elsewhere.test/'],
    '/here': [302, '/broken'],
    '/round': [302, '/round'],
    '/broken': [500],
  };
  const { port, ...server } = await listening(
    http.createServer((request, response) => {
      seen.push(request.headers);
      const [status, location] = paths[request.url ?? ''] ?? [404];
      response.writeHead(status, location ? { location } : {}).end();
    }),
  );
  await using _server = server;
  const get = (path: string): Promise<string> =>
    ask({ httpGet: { port, path, httpHeaders: [{ name: 'Host', value: 'own.test' }] } });
  assert.equal(await get('/ok?a=b'), '');
  assert.equal(seen[0]?.host, 'own.test');
  assert.equal(seen[0]?.['user-agent'], 'kube-probe/1.34');
  assert.equal(await get('/away'), '');
  assert.equal(await get('/here'), 'HTTP probe failed with statuscode: 500');
  assert.match(await get('/round'), /stopped after 10 redirects/);
  assert.match(await ask({ httpGet: { port: 'absent' } }), /no port named "absent"/);
  const refused = `Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused`;
  assert.equal(await ask({ httpGet: { port: 'web' } }), refused);
  assert.match(await ask({ tcpSocket: { port: 1 } }), /connect: connection refused/);
});

test('probe: HTTPS with whatever certificate, and who does not speak it', async () => {
  const { key, certificate: cert } = makeAuthority().serverFor('somebody.test');
  const answer: http.RequestListener = (_request, response) => void response.end();
  const { port, ...server } = await listening(https.createServer({ key, cert }, answer));
  await using _server = server;
  assert.equal(await ask({ httpGet: { port, scheme: 'HTTPS' } }), '');
  assert.notEqual(await ask({ httpGet: { port } }), '');
  const { port: plainPort, ...plain } = await listening(http.createServer(answer));
  await using _plain = plain;
  const refused = await ask({ httpGet: { port: plainPort, scheme: 'HTTPS' } });
  assert.ok(refused.startsWith(`Get "https://127.0.0.1:${plainPort}/": `), refused);
});

test('probe: gRPC health, of the server and of a service', async () => {
  const { port, ...server } = await listening(
    http2.createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const service = Buffer.concat(chunks).subarray(7).toString();
        const isKnown = service !== 'absent';
        response.writeHead(200, { 'content-type': 'application/grpc' });
        if (isKnown) response.write(Buffer.from([0, 0, 0, 0, 2, 8, service === 'sick' ? 2 : 1]));
        response.addTrailers({ 'grpc-status': isKnown ? '0' : '12' });
        response.end();
      });
    }),
  );
  await using _server = server;
  assert.equal(await ask({ grpc: { port } }), '');
  assert.equal(await ask({ grpc: { port, service: 'well' } }), '');
  const sick = 'service unhealthy (responded with "NOT_SERVING")';
  assert.equal(await ask({ grpc: { port, service: 'sick' } }), sick);
  assert.match(await ask({ grpc: { port, service: 'absent' } }), /does not implement the grpc/);
  assert.match(await ask({ grpc: { port: 1 } }), /^timeout: failed to connect .*refused$/);
});
