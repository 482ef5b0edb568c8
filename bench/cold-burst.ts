import assert from 'node:assert/strict';
import { sleep, systemClock } from '#base/clock.ts';
import { askNode } from '#cli/ask-node.ts';
import { call } from '#test/support/platform.ts';
import { quantile } from './quantile.ts';
import type { BenchContext, Figure } from './row.ts';
import { atZero, deploy, startServingBed, until } from './serving-bed.ts';

export interface BurstLoad {
  readonly services: number;
  readonly cycles: number;
  /** The time the platform has after the last pod, as a person would leave it. */
  readonly restMs: number;
}

/** Milliseconds to the answers of Services that are at zero, each with a prepared sandbox, and are called all at once, p95; each answer must be 200. */
export async function measureColdBurst(
  load: BurstLoad,
  { progress, resources }: BenchContext,
): Promise<Figure> {
  const bed = await startServingBed(resources);
  const urls: string[] = [];
  for (let at = 0; at < load.services; at += 1) {
    progress(`Service ${at + 1} of ${load.services}`);
    urls.push(await deploy(bed, `burst-${at}`, bed.programs.static));
  }
  const tookMs: number[] = [];
  for (let cycle = 0; cycle < load.cycles; cycle += 1) {
    progress(`cycle ${cycle + 1} of ${load.cycles}: waiting for zero`);
    await atZero(bed);
    await until('each Service has a prepared sandbox', async () => {
      const counts = await askNode(bed.platform, 'prepared');
      return counts?.ready === load.services;
    });
    await sleep(systemClock, load.restMs);
    const answers = await Promise.all(urls.map((url) => call(url)));
    for (const { status, body } of answers) assert.equal(status, 200, body);
    tookMs.push(...answers.map((answer) => answer.tookMs));
  }
  return { value: quantile(tookMs, 0.95) };
}
