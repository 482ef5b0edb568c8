import assert from 'node:assert/strict';
import { sleep, systemClock } from '#base/clock.ts';
import { call } from '#test/support/platform.ts';
import { bareStartMs } from './bare-start.ts';
import { platformProcesses } from './processes.ts';
import { quantile } from './quantile.ts';
import type { BenchContext, Figure } from './row.ts';
import { atZero, deploy, startServingBed, type BenchProgram } from './serving-bed.ts';

export interface ColdLoad {
  /** Of each sort; each is called from zero once a cycle. */
  readonly services: number;
  readonly cycles: number;
  /** The time the platform has after the last pod, as a person would leave it. */
  readonly restMs: number;
}

/** How one sort of Service began, beside its program as a bare process: milliseconds to the first answer. */
export interface Starts {
  readonly coldMs: readonly number[];
  readonly bareMs: readonly number[];
}

type Sort = 'prepared' | 'unprepared' | 'node';

interface Subject {
  readonly sort: Sort;
  readonly url: string;
  readonly program: BenchProgram;
}

/** Calls Services that are at zero, each over a fresh connection through the gateway. */
export async function measureColdStarts(
  load: ColdLoad,
  { progress, resources }: BenchContext,
): Promise<Readonly<Record<Sort, Starts>>> {
  const bed = await startServingBed(resources);
  const { static: small, node } = bed.programs;
  const subjects: Subject[] = [];
  for (let at = 0; at < load.services; at += 1) {
    progress(`Service ${at + 1} of ${load.services}`);
    const never = { 'knode.dev/prepared-sandboxes': '0' };
    subjects.push(
      { sort: 'prepared', program: small, url: await deploy(bed, `prepared-${at}`, small) },
      {
        sort: 'unprepared',
        program: small,
        url: await deploy(bed, `unprepared-${at}`, small, never),
      },
      { sort: 'node', program: node, url: await deploy(bed, `node-${at}`, node) },
    );
  }
  const starts = { prepared: noStarts(), unprepared: noStarts(), node: noStarts() };
  for (let cycle = 0; cycle < load.cycles; cycle += 1) {
    progress(`cycle ${cycle + 1} of ${load.cycles}: waiting for zero`);
    await atZero(bed);
    await sleep(systemClock, load.restMs);
    const { programs } = platformProcesses(bed.platform.home);
    assert.deepEqual(programs, [], 'at zero, no program is in memory');
    for (const { sort, url, program } of subjects) {
      const answer = await call(url);
      assert.equal(answer.status, 200, answer.body);
      starts[sort].coldMs.push(answer.tookMs);
      starts[sort].bareMs.push(await bareStartMs(program.bare));
    }
  }
  return starts;
}

function noStarts(): { coldMs: number[]; bareMs: number[] } {
  return { coldMs: [], bareMs: [] };
}

/** At this share of the starts; the peer's figure is its median, of which both targets are multiples. */
export function startFigure({ coldMs, bareMs }: Starts, share: number): Figure {
  return { value: quantile(coldMs, share), peerValue: quantile(bareMs, 0.5) };
}
