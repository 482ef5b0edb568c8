import { MAPS, type ApiTarget } from './api-target.ts';
import { startApiTargets } from './api-targets.ts';
import { median, quantile } from './quantile.ts';
import type { BenchContext, Figure } from './row.ts';
import { watchDelays, type WatchLoad } from './watch-delays.ts';
import { closedLoop } from './wrk.ts';

export interface ApiLoad {
  readonly connections: number;
  readonly seconds: number;
  /** Ours and the peer's turns alternate. */
  readonly rounds: number;
  readonly watch: WatchLoad;
}

/** Creates and gets per second, and the delay of watches, of our API and of kube-apiserver in turn. */
export async function measureApi(
  load: ApiLoad,
  { progress, resources }: BenchContext,
): Promise<Readonly<Record<'creates' | 'reads' | 'watch', Figure>>> {
  const targets = await startApiTargets(resources);
  const inTurn = async (
    what: string,
    one: (target: ApiTarget, round: number) => Promise<number>,
  ): Promise<Figure> => {
    const values: number[] = [];
    const peerValues: number[] = [];
    for (let round = 0; round < load.rounds; round += 1) {
      progress(`${what}: round ${round + 1} of ${load.rounds}`);
      values.push(await one(targets.ours, round));
      peerValues.push(await one(targets.peer, round));
    }
    return { value: median(values), peerValue: median(peerValues) };
  };
  const loop = async (script: string, target: ApiTarget, round: number): Promise<number> =>
    await closedLoop({
      script,
      url: `${target.url}${MAPS}`,
      connections: load.connections,
      seconds: load.seconds,
      env: { BENCH_TOKEN: target.token, BENCH_PREFIX: `round-${round}` },
    });
  return {
    creates: await inTurn(
      'creates',
      async (target, round) => await loop('create.lua', target, round),
    ),
    reads: await inTurn('gets', async (target, round) => await loop('read.lua', target, round)),
    watch: await inTurn('watches', async (target) =>
      quantile(await watchDelays(target, load.watch), 0.99),
    ),
  };
}
