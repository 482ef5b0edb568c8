import assert from 'node:assert/strict';
import { Pod } from '#api/core-v1/pod.ts';
import { startEnvoy } from './envoy.ts';
import { openLoopDelays, type OpenLoad, type WarmTarget } from './open-loop.ts';
import { median, quantile } from './quantile.ts';
import type { BenchContext, Figure } from './row.ts';
import { deploy, startServingBed } from './serving-bed.ts';
import { closedLoop } from './wrk.ts';

export interface WarmLoad {
  /** The gateway's, Envoy's and the program's own turns alternate. */
  readonly rounds: number;
  readonly closed: { readonly connections: number; readonly seconds: number };
  readonly open: OpenLoad;
}

type Way = 'gateway' | 'envoy' | 'direct';
const WAYS: readonly Way[] = ['gateway', 'envoy', 'direct'];

/** The container port of a Service that names none. */
const POD_PORT = 8080;

/** Requests to one pod that runs: by the gateway, by Envoy, and without anybody between. */
export async function measureWarm(
  load: WarmLoad,
  { progress, resources }: BenchContext,
): Promise<Readonly<Record<'throughput' | 'share' | 'overhead', Figure>>> {
  const bed = await startServingBed(resources);
  const url = new URL(
    await deploy(bed, 'warm', bed.programs.static, { 'autoscaling.knative.dev/min-scale': '1' }),
  );
  const [pod] = (await bed.client.list(Pod, { namespace: 'default' })).items;
  const address = pod?.status?.podIP;
  assert.ok(address !== undefined, 'the Service has a pod with an address');
  const host = url.hostname;
  const envoy = await startEnvoy({ address, port: POD_PORT }, { folder: bed.folder, resources });
  const targets: Readonly<Record<Way, WarmTarget>> = {
    gateway: { address: '127.0.0.1', port: Number(url.port || 80), host },
    envoy: { address: '127.0.0.1', port: envoy, host },
    direct: { address, port: POD_PORT, host },
  };
  const inTurn = async (
    what: string,
    one: (target: WarmTarget) => Promise<number>,
  ): Promise<Record<Way, number>> => {
    const values: Record<Way, number[]> = { gateway: [], envoy: [], direct: [] };
    for (let round = 0; round < load.rounds; round += 1) {
      progress(`${what}: round ${round + 1} of ${load.rounds}`);
      for (const way of WAYS) values[way].push(await one(targets[way]));
    }
    return {
      gateway: median(values.gateway),
      envoy: median(values.envoy),
      direct: median(values.direct),
    };
  };
  const throughput = await inTurn('throughput', async (target) =>
    closedLoop({
      ...load.closed,
      script: 'warm.lua',
      url: `http://${target.address}:${target.port}/`,
      env: { BENCH_HOST: target.host },
    }),
  );
  const p95 = await inTurn('latency', async (target) =>
    quantile(await openLoopDelays(target, load.open), 0.95),
  );
  return {
    throughput: { value: throughput.gateway, peerValue: throughput.envoy },
    share: { value: throughput.gateway, peerValue: throughput.direct },
    overhead: { value: p95.gateway - p95.direct, peerValue: p95.envoy - p95.direct },
  };
}
