import type { ContainerRunner } from '#agent/pods/container-runner.ts';
import type { Grace } from '#agent/pods/grace.ts';

export interface PodContainers {
  /** In the order of the spec; sidecars among them. */
  readonly inits: readonly ContainerRunner[];
  readonly mains: readonly ContainerRunner[];
}

/**
 * Runs a pod's containers in Kubernetes' order: init containers one after the other, each to its end or, a sidecar, to its
 * start; then the main ones together. Resolves when no main one will run again, or an init container has failed for good;
 * sidecars still run then, unwatched. Rejects with the signal's reason, leaving everything as it runs.
 */
export async function runInOrder(
  { inits, mains }: PodContainers,
  signal: AbortSignal,
): Promise<void> {
  const isOver =
    (mains.length > 0 && mains.every(({ finished }) => finished !== undefined)) ||
    inits.some(({ finished = 0 }) => finished !== 0);
  // What an earlier process has seen through does not begin anew.
  if (isOver) return;
  const end = new AbortController();
  const lives = AbortSignal.any([signal, end.signal]);
  const broken = Promise.withResolvers<never>();
  const beside: Promise<unknown>[] = [broken.promise];
  const runBeside = (runner: ContainerRunner): Promise<unknown> =>
    runner.run(lives).catch((error: unknown) => {
      broken.reject(error);
      end.abort(error);
    });
  const isThrough = async (): Promise<boolean> => {
    for (const runner of inits) {
      if (runner.role === 'sidecar') {
        beside.push(runBeside(runner));
        await Promise.race([runner.started, broken.promise]);
      } else if ((await runner.run(lives)) !== 0) return false;
    }
    return true;
  };
  const work = async (): Promise<void> => {
    if (await isThrough()) await Promise.all(mains.map((runner) => runner.run(lives)));
  };
  const working = work();
  try {
    await Promise.race([working, broken.promise]);
  } finally {
    end.abort();
    broken.reject(end.signal.reason);
    await Promise.allSettled([working, ...beside]);
  }
}

/** Ends all within `grace`: sidecars after the others, the last one first. */
export async function stopInOrder({ inits, mains }: PodContainers, grace: Grace): Promise<void> {
  const sidecars = inits.filter(({ role }) => role === 'sidecar');
  const others = [...inits.filter(({ role }) => role !== 'sidecar'), ...mains];
  const stops = others.map((runner) => runner.stop(grace));
  let turn: Promise<unknown> = Promise.allSettled(stops);
  for (const runner of sidecars.toReversed()) {
    const stop = runner.stop(grace, turn);
    stops.push(stop);
    turn = Promise.allSettled([stop]);
  }
  await Promise.all(stops);
}
