/**
 * Times RUNS cold starts of samples/hello through the gateway, each from zero over a fresh connection, beside the same
 * program as a bare process, in turn. Needs root: it runs the platform on a throw-away home.
 *   sh scripts/with-node node scripts/measure-cold-start.ts [RUNS]
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { sleep, systemClock } from '#base/clock.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Service } from '#api/serving-v1/service.ts';
import { createClient } from '#client/create-client.ts';
import { httpsTransport } from '#client/https-transport.ts';
import type { Client } from '#client/client.ts';
import { parseKubeconfig } from '#client/kubeconfig.ts';
import { call, startPlatform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';

const runs = Number(process.argv[2] ?? 30);
const SAMPLE = path.resolve(import.meta.dirname, '../samples/hello/server.ts');

await using it = await startPlatform();
const image = await sampleImage(it);
const kubeconfig = readFileSync(path.join(it.home, 'kubeconfig'), 'utf8');
await using transport = httpsTransport(parseKubeconfig(kubeconfig));
const client = createClient(transport.send);
await client.create(Service, {
  apiVersion: 'serving.knative.dev/v1',
  kind: 'Service',
  metadata: { name: 'hello', namespace: 'default' },
  spec: {
    template: {
      metadata: { annotations: { 'autoscaling.knative.dev/window': '6s' } },
      spec: { containers: [{ image }] },
    },
  },
});
await it.ok(['wait', 'ksvc/hello', '--for=condition=Ready', '--timeout=60s']);
const url = (await it.ok(['get', 'ksvc', 'hello', '-o', 'jsonpath={.status.url}'])).trim();

const cold: number[] = [];
const bare: number[] = [];
for (let run = 0; run < runs; run += 1) {
  await untilNoPods(client);
  // The sandbox for the next start is made when the last pod is told to go; give it the second a person takes.
  await sleep(systemClock, 1_000);
  const answer = await call(url);
  if (answer.status !== 200) throw new Error(`run ${run}: ${answer.status} ${answer.body}`);
  cold.push(answer.tookMs);
  bare.push(await bareStart());
}
print('from zero, through the gateway', cold);
print('bare process', bare);
process.stdout.write(`ratio of medians ${(median(cold) / median(bare)).toFixed(2)}\n`);
const status = await it.knode('status');
process.stdout.write(status.stdout);

async function untilNoPods(from: Client): Promise<void> {
  const selection = { namespace: 'default', labelSelector: 'serving.knative.dev/service=hello' };
  while ((await from.list(Pod, selection)).items.length > 0) await sleep(systemClock, 200);
}

/** From the spawn of the program to its first byte, connecting again as long as its port is closed. */
async function bareStart(): Promise<number> {
  const probe = net.createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as net.AddressInfo;
  probe.close();
  await once(probe, 'close');
  const startMs = performance.now();
  const child = spawn(process.execPath, [SAMPLE], {
    env: { PORT: String(port) },
    stdio: 'ignore',
  });
  for (;;) {
    const tookMs = await call(`http://127.0.0.1:${port}`).then(
      () => performance.now() - startMs,
      () => undefined,
    );
    if (tookMs !== undefined) {
      child.kill('SIGKILL');
      await once(child, 'exit');
      return tookMs;
    }
    await sleep(systemClock, 1);
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}

function print(what: string, values: readonly number[]): void {
  const figure = (ms: number): string => `${ms.toFixed(0)} ms`;
  process.stdout.write(
    `${what}: p50 ${figure(median(values))}, min ${figure(Math.min(...values))}, max ${figure(Math.max(...values))}, ${values.length} runs\n`,
  );
}
