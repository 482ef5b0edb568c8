import assert from 'node:assert/strict';
import { test } from 'node:test';
import { embedded, message, string } from '#base/protobuf-writer.ts';
import { platformUser } from '#apiserver/user.ts';
import { at, startWire, type Wire } from '#test/support/wire.ts';

const CONFIG_MAPS = '/api/v1/namespaces/default/configmaps';

function configMap(name: string, value: string): Buffer {
  const typeMeta = message(string(1, 'v1'), string(2, 'ConfigMap'));
  const entry = message(string(1, 'key'), string(2, value));
  const content = message(embedded(1, message(string(1, name))), embedded(2, entry));
  const unknown = message(embedded(1, typeMeta), embedded(2, content));
  return Buffer.concat([Buffer.from('k8s\0', 'latin1'), unknown]);
}

async function send(
  wire: Wire,
  request: { readonly method: string; readonly target: string; readonly body: Uint8Array },
): Promise<{ status: number; body: unknown }> {
  const headers = {
    'content-type': 'application/vnd.kubernetes.protobuf',
    accept: 'application/vnd.kubernetes.protobuf,application/json',
  };
  const signal = new AbortController().signal;
  const reply = await wire.server.handle({ ...request, headers, signal, user: platformUser });
  const { status, body } = reply;
  return { status, body: typeof body === 'string' ? JSON.parse(body) : undefined };
}

test('protobuf: objects are created and replaced by it, and answered as JSON', async () => {
  await using wire = await startWire();
  const created = await send(wire, {
    method: 'POST',
    target: CONFIG_MAPS,
    body: configMap('a', '1'),
  });
  assert.equal(created.status, 201);
  assert.deepEqual(at(created.body, 'data'), { key: '1' });
  const target = `${CONFIG_MAPS}/a`;
  const replaced = await send(wire, { method: 'PUT', target, body: configMap('a', '2') });
  assert.equal(replaced.status, 200);
  assert.deepEqual(at((await wire.send('GET', target)).body, 'data'), { key: '2' });
  const other = await send(wire, {
    method: 'POST',
    target: '/api/v1/namespaces/default/secrets',
    body: configMap('a', '1'),
  });
  assert.equal(other.status, 400);
});
