import { readFile } from 'node:fs/promises';
import os from 'node:os';
import type { Container, ResourceRequirements } from '#api/generated/core-v1.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { qosClassOf } from '#api/core-v1/qos-class.ts';
import { amountOf } from '#api/meta/quantity.ts';

/** What bounds a container: its own, and where it has none, the pod's as a whole. */
export function resourcesOf({ spec }: Pod, { resources }: Container): ResourceRequirements {
  return { ...resources, limits: { ...spec?.resources?.limits, ...resources?.limits } };
}

/** Kubernetes' figures: before the platform itself, and the sooner the more it uses beyond what it asked for. */
const BEST_EFFORT = 1000;
const BURSTABLE_MIN = 3;

/**
 * How soon the kernel ends it when memory is short. Not below the platform's own, which it may have no right to: a
 * guaranteed container is the last to go.
 */
export async function oomScoreAdjOf({ spec }: Pod, container: Container): Promise<number> {
  const own = Number(await readFile('/proc/self/oom_score_adj', 'utf8'));
  const qosClass = spec ? qosClassOf(spec) : 'BestEffort';
  const score = { Guaranteed: 0, BestEffort: BEST_EFFORT, Burstable: burstable(container) };
  return Math.max(own, score[qosClass]);
}

function burstable({ resources }: Container): number {
  const asked = amountOf(resources?.requests?.['memory'] ?? 0);
  const score = BEST_EFFORT - Math.floor((1000 * asked) / os.totalmem());
  return Math.min(BEST_EFFORT - 1, Math.max(BURSTABLE_MIN, score));
}
