import path from 'node:path';
import { text } from 'node:stream/consumers';
import { Pod } from '#api/core-v1/pod.ts';
import { Service } from '#api/serving-v1/service.ts';
import type { Client, Ref } from '#client/client.ts';
import { askSupervisor } from '#supervisor/ask-supervisor.ts';
import { readLiveRecord } from '#supervisor/process-record.ts';
import { pathsOf, type Settings } from '#supervisor/settings.ts';
import { buildSource } from './build-source.ts';
import { connect } from './cluster.ts';
import { callGateway } from './curl.ts';
import {
  describeParts,
  requireRoot,
  settingsOf,
  startPlatform,
  type ListenerFlags,
} from './platform.ts';
import type { Invocation } from './invocation.ts';
import { untilReady } from './service-ready.ts';
import { dim, formatMs, print, remark, step, UserError } from './terminal.ts';
import { describePlatform } from './up.ts';

export interface DemoFlags extends ListenerFlags {
  readonly exit?: boolean;
}

const REF: Ref = { namespace: 'default', name: 'hello' };
const READY_MS = 120_000;
const TO_ZERO_MS = 120_000;

/** The walk: a program from its source to an answer, to zero, and back. */
export async function demo(invocation: Invocation, flags: DemoFlags): Promise<void> {
  requireRoot('demo');
  const running = await runningSettings(invocation);
  if (running) {
    remark(dim('Using the platform that runs already.'));
    await walk(invocation, running);
    return;
  }
  const settings = await settingsOf(invocation, flags);
  let show: (detail: string) => void = () => undefined;
  const { supervisor, interrupted } = await startPlatform(invocation, settings, {
    onChange: (parts) => show(describeParts(parts)),
  });
  try {
    await step('platform is up', async (update) => {
      show = update;
      await supervisor.ready();
    });
    await Promise.race([walk(invocation, settings), interrupted]);
    if (flags.exit) return;
    describePlatform(settings);
    remark(dim("Ctrl-C stops the platform; 'knode down --wipe' then removes every trace."));
    await Promise.race([interrupted, supervisor.ended()]);
  } finally {
    await step('platform is down', async (update) => {
      show = update;
      await supervisor.stop();
    });
  }
}

async function runningSettings({ home }: Invocation): Promise<Settings | undefined> {
  const paths = pathsOf(home);
  if (!(await askSupervisor(paths.supervisorSocket, { type: 'status' }))) return undefined;
  const record = readLiveRecord(paths.processRecord('gateway'));
  return record && (JSON.parse(record.settings) as Settings);
}

async function walk(invocation: Invocation, settings: Settings): Promise<void> {
  await using cluster = connect(invocation);
  const { client } = cluster;
  const image = await step(
    'sample is built and pushed',
    async (update) =>
      await buildSource({
        home: settings.home,
        source: path.join(import.meta.dirname, '../../samples/hello'),
        reference: `127.0.0.1:${settings.registryPort}/hello:latest`,
        onProgress: update,
        signal: AbortSignal.timeout(READY_MS),
      }),
    (built) => built.reference.slice(0, built.reference.indexOf('@sha256:') + 20),
  );
  const service = await step(
    'Service hello is ready',
    async (update) => {
      await client.apply(Service, sampleService(image.reference));
      return await untilReady(client, REF, { timeoutMs: READY_MS, update });
    },
    (ready) => ready.status?.url ?? '',
  );
  const url = service.status?.url ?? '';
  const first = await ask(url);
  const toZeroMs = await step('no pod is left', async (update) => {
    const startMs = performance.now();
    await untilNoPods(client, update);
    return performance.now() - startMs;
  });
  const cold = await ask(url);
  print();
  print(`first answer     ${first.body.trim()}   (${formatMs(first.tookMs)}, pod running)`);
  print(`time to zero     ${formatMs(toZeroMs)} after it`);
  print(`cold start       ${cold.tookMs.toFixed(0)} ms   ${cold.body.trim()}   (no pod running)`);
  print();
}

function sampleService(image: string): Service {
  return {
    apiVersion: 'serving.knative.dev/v1',
    kind: 'Service',
    metadata: { ...REF },
    spec: {
      template: {
        // The shortest window there is, so that a demonstration need not wait a minute; the default stays 60 s.
        metadata: { annotations: { 'autoscaling.knative.dev/window': '6s' } },
        spec: { containers: [{ image, env: [{ name: 'TARGET', value: 'from knode' }] }] },
      },
    },
  };
}

async function ask(url: string): Promise<{ body: string; tookMs: number }> {
  const startMs = performance.now();
  const response = await callGateway(url);
  const body = await text(response);
  if (response.statusCode !== 200) {
    throw new UserError(`Calling ${url}: it answered ${response.statusCode}: ${body.trim()}`);
  }
  return { body, tookMs: performance.now() - startMs };
}

async function untilNoPods(client: Client, update: (detail: string) => void): Promise<void> {
  const selection = {
    namespace: 'default',
    labelSelector: `serving.knative.dev/service=${REF.name}`,
  };
  const signal = AbortSignal.timeout(TO_ZERO_MS);
  const { items, resourceVersion } = await client.list(Pod, selection);
  const alive = new Set(items.map(({ metadata }) => metadata.uid));
  update(`${alive.size} running; the autoscaler looks at a window of 6 s`);
  if (alive.size === 0) return;
  for await (const event of client.watch(Pod, { ...selection, resourceVersion }, signal)) {
    if (event.type === 'BOOKMARK') continue;
    if (event.type === 'DELETED') alive.delete(event.object.metadata.uid);
    else alive.add(event.object.metadata.uid);
    if (alive.size === 0) return;
  }
  throw new UserError(`Service ${REF.name} was not at zero within ${TO_ZERO_MS / 1000} s`);
}
