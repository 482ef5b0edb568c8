import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { test } from 'node:test';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import { hasReason } from '#api/meta/api-error.ts';
import { createClient } from '#client/create-client.ts';
import { httpsTransport, type HttpsTransportOptions } from '#client/https-transport.ts';
import { serveCluster, type Served } from '#test/support/served.ts';

function connect({ url, ca }: Served, options: Partial<HttpsTransportOptions>) {
  const transport = httpsTransport({ server: url, ca, ...options });
  const client = createClient(transport.send);
  return { client, [Symbol.asyncDispose]: () => transport[Symbol.asyncDispose]() };
}

test('https: a certificate or a token, and the server is called', async () => {
  await using served = await serveCluster();
  const { certificate, token } = served;
  for (const identity of [{ certificate }, { token: () => token }]) {
    await using connection = connect(served, identity);
    const { client } = connection;
    const metadata = { name: 'a' };
    const made = await client.apply(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata });
    assert.equal((await client.get(Namespace, metadata))?.metadata.uid, made.metadata.uid);
  }
  await using stranger = connect(served, {});
  await assert.rejects(stranger.client.list(Namespace), (error) =>
    hasReason(error, 'Unauthorized'),
  );
});

test('https: a watch brings changes as they come, and ends with its signal', async () => {
  await using served = await serveCluster();
  await using connection = connect(served, { certificate: served.certificate });
  const { client } = connection;
  const metadata = { name: 'a' };
  await client.create(Namespace, { apiVersion: 'v1', kind: 'Namespace', metadata });
  const { resourceVersion } = await client.list(ConfigMap);
  const stop = new AbortController();
  const seen: string[] = [];
  const object = { apiVersion: 'v1', kind: 'ConfigMap', data: { text: 'größer' } };
  await client.create(ConfigMap, { ...object, metadata: { name: 'm-0', namespace: 'a' } });
  for await (const event of client.watch(ConfigMap, { resourceVersion }, stop.signal)) {
    if (event.type === 'BOOKMARK') continue;
    seen.push(`${event.type} ${event.object.metadata.name} ${event.object.data?.['text']}`);
    if (seen.length === 3) stop.abort();
    else
      await client.create(ConfigMap, {
        ...object,
        metadata: { name: `m-${seen.length}`, namespace: 'a' },
      });
  }
  assert.deepEqual(seen, ['ADDED m-0 größer', 'ADDED m-1 größer', 'ADDED m-2 größer']);
});

test('https: a server that is not there, or another one, can be asked again later', async () => {
  await using served = await serveCluster();
  await using stranger = await serveCluster();
  await using wrongCa = connect(
    { ...served, ca: stranger.ca },
    { certificate: served.certificate },
  );
  await using nobody = connect({ ...served, url: 'https://127.0.0.1:1' }, {});
  for (const { client } of [wrongCa, nobody]) {
    await assert.rejects(client.list(Namespace), (error) => hasReason(error, 'ServiceUnavailable'));
  }
});

test('https: a server that takes the connection and says nothing is given up', async () => {
  const silent = createServer((socket) => socket.resume());
  silent.listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const address = silent.address();
  assert.ok(typeof address === 'object' && address);
  const server = `https://127.0.0.1:${address.port}`;
  {
    await using transport = httpsTransport({ server, replyTimeoutMs: 50 });
    const client = createClient(transport.send);
    await assert.rejects(client.list(Namespace), (error) => hasReason(error, 'Timeout'));
  }
  silent.close();
  await once(silent, 'close');
});
