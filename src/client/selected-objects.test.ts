import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ConfigMap } from '#api/core-v1/config-map.ts';
import { ObjectCache, type ObjectChange } from '#client/object-cache.ts';
import { selectedObjects } from '#client/selected-objects.ts';

function object(name: string, color: string): ConfigMap {
  const metadata = { name, namespace: 'default', uid: name, resourceVersion: `${name}${color}` };
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: { color } };
}

test('selected objects: one that begins or ceases to be selected comes or goes', () => {
  const cache = new ObjectCache<ConfigMap>();
  const handlers = new Set<(change: ObjectChange<ConfigMap>) => void>();
  const put = (each: ConfigMap): void => {
    for (const change of cache.set(each)) for (const handler of handlers) handler(change);
  };
  const all = {
    get: cache.get.bind(cache),
    list: cache.list.bind(cache),
    onChange(handler: (change: ObjectChange<ConfigMap>) => void): Disposable {
      handlers.add(handler);
      return { [Symbol.dispose]: () => void handlers.delete(handler) };
    },
  };
  const green = selectedObjects(all, ({ data }) => data?.['color'] === 'green');
  const seen: string[] = [];
  const subscription = green.onChange(({ previous, current }) =>
    seen.push(`${previous?.data?.['color'] ?? '-'} ${current?.metadata.name ?? '-'}`),
  );
  put(object('a', 'blue'));
  put(object('b', 'green'));
  put(object('a', 'green'));
  put({
    ...object('a', 'green'),
    metadata: { ...object('a', 'green').metadata, resourceVersion: '9' },
  });
  assert.equal(green.list().length, 2);
  put(object('a', 'red'));
  put(object('a', 'blue'));
  assert.deepEqual(seen, ['- b', '- a', 'green a', 'green -']);
  assert.equal(green.get({ namespace: 'default', name: 'a' }), undefined);
  assert.equal(green.get({ namespace: 'default', name: 'b' })?.metadata.name, 'b');
  subscription[Symbol.dispose]();
  put(object('b', 'red'));
  assert.equal(seen.length, 4);
});
