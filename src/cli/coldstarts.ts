import type { StageHistogram } from '#base/cold-start.ts';
import { askNode } from './ask-node.ts';
import type { Invocation } from './invocation.ts';
import { print, printJson, printTable, remark } from './terminal.ts';

export interface ColdStartFlags {
  readonly namespace: string;
  readonly allNamespaces?: boolean;
  readonly output?: 'json';
}

/** In the order they follow each other. */
const STAGES = ['demand', 'decision', 'start', 'program', 'answer', 'total'] as const;

/** Where the time of cold starts went since the platform began. */
export async function coldstarts(
  invocation: Invocation,
  name: string | undefined,
  { namespace, allNamespaces = false, output }: ColdStartFlags,
): Promise<void> {
  const all = (await askNode(invocation, 'coldstartstages')) ?? [];
  const found = all.filter(
    (each) =>
      (allNamespaces || each.namespace === namespace) &&
      (name === undefined || each.service === name || each.revision === name),
  );
  if (output === 'json') {
    printJson(found);
    return;
  }
  if (found.length === 0) {
    remark('No call has waited for a pod since the platform was started.');
    return;
  }
  for (const [revision, stages] of Map.groupBy(found, revisionOf)) {
    const total = stages.find(({ stage }) => stage === 'total')?.count ?? 0;
    print(`${revision}   ${total} ${total === 1 ? 'cold start' : 'cold starts'}`);
    printTable(['STAGE', 'COUNT', 'MEAN', 'P50', 'P95', 'MOST'], rowsOf(stages));
    print();
  }
}

function revisionOf({ namespace, revision }: StageHistogram): string {
  return `${namespace}/${revision}`;
}

function rowsOf(stages: readonly StageHistogram[]): string[][] {
  return STAGES.flatMap((stage) => {
    const found = stages.find((each) => each.stage === stage);
    if (!found || found.count === 0) return [];
    const most = found.counts.findLastIndex((count) => count > 0);
    return [
      [
        stage,
        String(found.count),
        milliseconds(found.sumSeconds / found.count),
        milliseconds(quantileOf(found, 0.5)),
        milliseconds(quantileOf(found, 0.95)),
        mostText(found.bounds, most),
      ],
    ];
  });
}

function mostText(bounds: readonly number[], bucket: number): string {
  const bound = bounds[bucket];
  return bound === undefined ? `> ${milliseconds(bounds.at(-1) ?? 0)}` : `≤ ${milliseconds(bound)}`;
}

/** As Prometheus' `histogram_quantile`: even within a bucket, and never above the highest bound. */
export function quantileOf(
  { bounds, counts, count }: Pick<StageHistogram, 'bounds' | 'counts' | 'count'>,
  quantile: number,
): number {
  const rank = quantile * count;
  let below = 0;
  for (const [index, inside] of counts.entries()) {
    const upper = bounds[index];
    if (upper === undefined) break;
    if (inside > 0 && below + inside >= rank) {
      const lower = bounds[index - 1] ?? 0;
      return lower + (upper - lower) * ((rank - below) / inside);
    }
    below += inside;
  }
  return bounds.at(-1) ?? 0;
}

function milliseconds(seconds: number): string {
  const ms = seconds * 1_000;
  return `${ms.toFixed(ms < 10 ? 1 : 0)} ms`;
}
