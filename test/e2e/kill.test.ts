import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sleep, systemClock } from '#base/clock.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Pod } from '#api/core-v1/pod.ts';
import type { Client } from '#client/client.ts';
import { openLoop } from '#test/support/open-loop.ts';
import { pidOf, startPlatform, type Platform } from '#test/support/platform.ts';
import { connect } from '#test/support/platform-client.ts';
import { sampleImage } from '#test/support/sample-image.ts';

const REQUESTS_PER_SECOND = 100;
const REQUESTS = 1_000;
/** Spread over the load; each when the API is back from the one before. */
const KILLS = 3;

test('kill -9 of control under 100 requests/s: no warm request fails, no write is lost, containers go on', async () => {
  await using it = await startPlatform();
  const { client, transport } = connect(it);
  await using _ = transport;
  const url = await warmService(it);
  const before = await containers(client);

  const stop = new AbortController();
  const writing = writeUntil(client, stop.signal);
  const load = openLoop(url, { requests: REQUESTS, perSecond: REQUESTS_PER_SECOND });
  const awayMs: number[] = [];
  for (let kill = 0; kill < KILLS; kill += 1) {
    await load.reached(((kill + 0.5) / KILLS) * REQUESTS);
    const startMs = performance.now();
    process.kill(pidOf(it.home, 'control'), 'SIGKILL');
    await untilBack(client);
    awayMs.push(performance.now() - startMs);
  }
  const { failures } = await load.ended();
  stop.abort();
  const acknowledged = await writing;

  const away = awayMs.map((ms) => `${ms.toFixed(0)} ms`).join(', ');
  process.stdout.write(
    `${REQUESTS} requests, ${failures.length} failed; ${acknowledged.length} writes acknowledged; API back after ${away}\n`,
  );
  assert.deepEqual(failures, []);
  const { items } = await client.list(ConfigMap, { namespace: 'default' });
  const stored = new Set(items.map(({ metadata }) => metadata.name));
  assert.deepEqual(
    acknowledged.filter((name) => !stored.has(name)),
    [],
  );
  assert.ok(acknowledged.length > 0, 'nothing was written: this would prove nothing');
  assert.deepEqual(await containers(client), before);
});

async function warmService(it: Platform): Promise<string> {
  const image = await sampleImage(it);
  const annotations = { 'autoscaling.knative.dev/min-scale': '1' };
  const manifest = {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name: 'warm', namespace: 'default' },
    spec: { template: { metadata: { annotations }, spec: { containers: [{ image }] } } },
  };
  await it.ok(['apply', '-f', '-'], JSON.stringify(manifest));
  await it.ok(['wait', 'ksvc/warm', '--for=condition=Ready', '--timeout=60s']);
  return (await it.ok(['get', 'ksvc', 'warm', '-o', 'jsonpath={.status.url}'])).trim();
}

/** Which containers run, told by what a restart would change. */
async function containers(client: Client): Promise<unknown> {
  const { items } = await client.list(Pod, { namespace: 'default' });
  return items.map(({ metadata, status }) => ({
    pod: metadata.uid,
    containers: status?.containerStatuses?.map(({ containerID, restartCount }) => ({
      containerID,
      restartCount,
    })),
  }));
}

/** Writes one object after another; returns the names of those whose write was acknowledged. */
async function writeUntil(client: Client, signal: AbortSignal): Promise<string[]> {
  const acknowledged: string[] = [];
  for (let count = 0; !signal.aborted; count += 1) {
    const metadata = { name: `write-${count}`, namespace: 'default' };
    const written = await client
      .create(ConfigMap, { apiVersion: 'v1', kind: 'ConfigMap', metadata })
      .then(() => true)
      // The API is away: that write is not acknowledged, and may or may not be there.
      .catch(() => false);
    if (written) acknowledged.push(metadata.name);
    await sleep(systemClock, 5);
  }
  return acknowledged;
}

async function untilBack(client: Client): Promise<void> {
  const deadlineMs = performance.now() + 30_000;
  for (;;) {
    const isBack = await client.list(Pod, { namespace: 'default' }).then(
      () => true,
      () => false,
    );
    if (isBack) return;
    assert.ok(performance.now() < deadlineMs, 'control was not back within 30 s');
    await sleep(systemClock, 10);
  }
}
