import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sleep, systemClock } from '#base/clock.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Service } from '#api/serving-v1/service.ts';
import { untilReady } from '#cli/service-ready.ts';
import type { Client } from '#client/client.ts';
import { createClient } from '#client/create-client.ts';
import { httpsTransport } from '#client/https-transport.ts';
import { parseKubeconfig } from '#client/kubeconfig.ts';
import { startPlatform, type Platform } from '#test/support/platform.ts';
import { sampleImage } from '#test/support/sample-image.ts';
import { staticServer } from '#test/support/static-image.ts';

/** A platform with the images that are measured. */
export interface ServingBed {
  readonly platform: Platform;
  readonly client: Client;
  /** For files of a measurement. */
  readonly folder: string;
  readonly programs: Readonly<Record<'static' | 'node', BenchProgram>>;
}

/** A program in an image, and how the same program is run as a bare process. */
export interface BenchProgram {
  readonly container: { readonly image: string; readonly command?: string[] };
  readonly bare: readonly [string, ...string[]];
}

const READY_MS = 60_000;
const LOOK_AGAIN_MS = 100;
const SO_WITHIN_MS = 120_000;
const NAMESPACE = 'default';

export async function startServingBed(resources: AsyncDisposableStack): Promise<ServingBed> {
  const platform = resources.use(await startPlatform());
  const kubeconfig = await readFile(path.join(platform.home, 'kubeconfig'), 'utf8');
  const { send } = resources.use(httpsTransport(parseKubeconfig(kubeconfig)));
  const folder = await mkdtemp(path.join(tmpdir(), 'knode-bench-'));
  resources.defer(async () => await rm(folder, { recursive: true, force: true }));
  const sample = path.resolve(import.meta.dirname, '../samples/hello/server.ts');
  const { container, program } = await staticServer(platform, folder);
  return {
    platform,
    client: createClient(send),
    folder,
    programs: {
      static: { container, bare: [program] },
      node: {
        container: { image: await sampleImage(platform) },
        bare: [process.execPath, await withoutTypes(sample, folder)],
      },
    },
  };
}

/** Images are built so, and what is compared with them must not do more at its start. */
async function withoutTypes(program: string, folder: string): Promise<string> {
  const file = path.join(folder, 'hello.mjs');
  await writeFile(file, stripTypeScriptTypes(await readFile(program, 'utf8')));
  return file;
}

/** Creates a Service, waits until it is ready, and returns its URL. */
export async function deploy(
  { client }: ServingBed,
  name: string,
  { container }: BenchProgram,
  annotations: Readonly<Record<string, string>> = {},
): Promise<string> {
  await client.create(Service, {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { name, namespace: NAMESPACE },
    spec: {
      template: {
        metadata: { annotations: { 'autoscaling.knative.dev/window': '6s', ...annotations } },
        spec: { containers: [container] },
      },
    },
  });
  const ref = { namespace: NAMESPACE, name };
  const ready = await untilReady(client, ref, { timeoutMs: READY_MS, update: () => undefined });
  return ready.status?.url ?? '';
}

export async function remove({ client }: ServingBed, name: string): Promise<void> {
  await client.delete(Service, { namespace: NAMESPACE, name });
}

/** Resolves when no Service has a pod. */
export async function atZero({ client }: ServingBed): Promise<void> {
  const pods = async (): Promise<readonly Pod[]> =>
    (await client.list(Pod, { namespace: NAMESPACE })).items;
  await until('no pod is left', async () => (await pods()).length === 0);
}

/** Looks ten times a second; rejects when it is not so after two minutes. */
export async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const lateMs = performance.now() + SO_WITHIN_MS;
  while (!(await isSo())) {
    assert.ok(performance.now() < lateMs, `not within ${SO_WITHIN_MS / 1000} s: ${what}`);
    await sleep(systemClock, LOOK_AGAIN_MS);
  }
}
