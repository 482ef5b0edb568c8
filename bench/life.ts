import assert from 'node:assert/strict';
import { startPlatform } from '#test/support/platform.ts';
import { median } from './quantile.ts';
import type { BenchContext, Figure } from './row.ts';
import { deploy, remove, startServingBed } from './serving-bed.ts';

/** Milliseconds of `knode up -d` on a home that has been up before, until its API is ready. */
export async function measureStart(
  { runs }: { readonly runs: number },
  { progress, resources }: BenchContext,
): Promise<Figure> {
  const platform = resources.use(await startPlatform());
  const tookMs: number[] = [];
  for (let round = 0; round < runs; round += 1) {
    progress(`start ${round + 1} of ${runs}`);
    const down = await platform.knode('down');
    assert.equal(down.code, 0, down.stderr);
    const startMs = performance.now();
    const up = await platform.knode('up', '-d', ...platform.ports);
    tookMs.push(performance.now() - startMs);
    assert.equal(up.code, 0, up.stderr);
  }
  return { value: median(tookMs) };
}

/** Milliseconds from the request that creates a Service until it is Ready; its image is there. */
export async function measureReady(
  { runs }: { readonly runs: number },
  { progress, resources }: BenchContext,
): Promise<Figure> {
  const bed = await startServingBed(resources);
  const tookMs: number[] = [];
  for (let round = -1; round < runs; round += 1) {
    progress(`Service ${round + 1} of ${runs}`);
    const name = `ready-${round + 1}`;
    const startMs = performance.now();
    await deploy(bed, name, bed.programs.static);
    // The first one unpacks the image.
    if (round >= 0) tookMs.push(performance.now() - startMs);
    await remove(bed, name);
  }
  return { value: median(tookMs) };
}
