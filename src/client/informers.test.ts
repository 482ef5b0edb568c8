import assert from 'node:assert/strict';
import { test } from 'node:test';
import { systemClock } from '#base/clock.ts';
import { silentLog } from '#base/log.ts';
import { seededRandom } from '#base/random.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { Informers } from '#client/informers.ts';
import { startCluster } from '#test/support/cluster.ts';

test('informers: where a kind is selected, the others of it are not even read', async () => {
  await using cluster = await startCluster();
  const { client } = cluster;
  const labelled = (name: string, labels: Record<string, string>) => ({
    apiVersion: 'v1',
    metadata: { namespace: 'default', name, labels },
  });
  await client.create(ConfigMap, { ...labelled('ours', { mine: '1' }), kind: 'ConfigMap' });
  await client.create(ConfigMap, { ...labelled('theirs', {}), kind: 'ConfigMap' });
  await client.create(Secret, { ...labelled('any', {}), kind: 'Secret' });
  const stop = new AbortController();
  await using informers = new Informers({
    client,
    clock: systemClock,
    random: seededRandom(1),
    log: silentLog,
    signal: stop.signal,
    selectionOf: ({ kind }) => (kind === ConfigMap.kind ? { labelSelector: 'mine' } : undefined),
  });
  const [configMaps, secrets] = [informers.of(ConfigMap), informers.of(Secret)];
  await informers.synced();
  const names = (objects: readonly { metadata: { name?: string } }[]): unknown[] =>
    objects.map(({ metadata }) => metadata.name);
  assert.deepEqual(names(configMaps.list('default')), ['ours']);
  assert.deepEqual(names(secrets.list('default')), ['any']);
  stop.abort();
});
