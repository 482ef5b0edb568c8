import path from 'node:path';
import { text } from 'node:stream/consumers';
import { sleep, systemClock } from '#base/clock.ts';
import { coldStartStages, type CallTimes, type Stage } from '#base/cold-start.ts';
import { Pod } from '#api/core-v1/pod.ts';
import { Service } from '#api/serving-v1/service.ts';
import type { Client, Ref } from '#client/client.ts';
import { askSupervisor } from '#supervisor/ask-supervisor.ts';
import { readLiveRecord } from '#supervisor/process-record.ts';
import { pathsOf, type Settings } from '#supervisor/settings.ts';
import { askNode } from './ask-node.ts';
import { buildSource } from './build-source.ts';
import { connect } from './cluster.ts';
import { timelineOf } from './cold-start-stages.ts';
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
import { dim, formatMs, print, printJson, remark, step, UserError } from './terminal.ts';
import { describePlatform } from './up.ts';

export interface DemoFlags extends ListenerFlags {
  readonly exit?: boolean;
  readonly trace?: boolean;
  readonly output?: 'json';
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
    printWalk(await walk(invocation, running, flags), flags);
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
    const walked = await Promise.race([walk(invocation, settings, flags), interrupted]);
    if (walked) printWalk(walked, flags);
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

/** What the walk measured. */
interface Walked {
  readonly first: TimedAnswer;
  readonly toZeroMs: number;
  readonly cold: TimedAnswer;
  /** Of the cold start, where it was asked for. */
  readonly stages?: readonly Stage[];
}

async function walk(
  invocation: Invocation,
  settings: Settings,
  { trace = false }: DemoFlags,
): Promise<Walked> {
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
  const first = await ask(url, client);
  const toZeroMs = await step('no pod is left', async (update) => {
    const startMs = performance.now();
    await untilNoPods(client, update);
    return performance.now() - startMs;
  });
  const cold = await ask(url, client);
  const walked = { first, toZeroMs, cold };
  return trace ? { ...walked, stages: await tracedStages(invocation, cold) } : walked;
}

function printWalk({ first, toZeroMs, cold, stages }: Walked, { output }: DemoFlags): void {
  if (output === 'json') {
    printJson({
      firstAnswerMs: first.tookMs,
      toZeroMs,
      coldStartMs: cold.tookMs,
      ...(stages && { stages }),
    });
    return;
  }
  print();
  print(`first answer     ${first.body.trim()}   (${formatMs(first.tookMs)}, pod running)`);
  print(`time to zero     ${formatMs(toZeroMs)} after it`);
  print(`cold start       ${cold.tookMs.toFixed(0)} ms   ${cold.body.trim()}   (no pod running)`);
  for (const line of timelineOf(stages ?? [])) print(line);
  print();
}

const TRACE_MS = 5_000;
const LOOK_AGAIN_MS = 20;

/** The platform knows its part of the call a moment after the caller has its answer. */
async function tracedStages(invocation: Invocation, call: TimedAnswer): Promise<Stage[]> {
  while (systemClock.monotonicMs() < call.endMs + TRACE_MS) {
    const known = (await askNode(invocation, 'coldstarts')) ?? [];
    const coldStart = known.find(
      ({ arrivedMs, answeredMs }) => arrivedMs >= call.startMs && answeredMs <= call.endMs,
    );
    if (coldStart) return coldStartStages(call, coldStart);
    await sleep(systemClock, LOOK_AGAIN_MS);
  }
  throw new UserError(
    `Cannot show where the cold start's time went: no cold start of ${REF.name} was measured, so somebody else may have called it just before`,
  );
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

interface TimedAnswer extends CallTimes {
  readonly body: string;
  readonly tookMs: number;
}

async function ask(url: string, client: Client): Promise<TimedAnswer> {
  const startMs = systemClock.monotonicMs();
  const response = await callGateway(url, client);
  const body = await text(response);
  if (response.statusCode !== 200) {
    throw new UserError(`Calling ${url}: it answered ${response.statusCode}: ${body.trim()}`);
  }
  const endMs = systemClock.monotonicMs();
  return { body, startMs, endMs, tookMs: endMs - startMs };
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
