import { sleep, type Clock } from '#base/clock.ts';
import type { LifecycleHandler } from '#api/generated/core-v1.ts';
import { askHttp } from '#agent/probes/http-ask.ts';
import type { ProbeTarget } from '#agent/probes/probe.ts';

export interface HookTarget extends Omit<ProbeTarget, 'execs'> {
  readonly clock: Clock;
}

/**
 * Does what a container wants done after its start or before its end. Throws what went wrong in words, or the signal's
 * reason. Whatever a GET is answered with counts as done, as with the kubelet.
 */
export async function runHook(
  { exec, httpGet, sleep: pause }: LifecycleHandler,
  target: HookTarget,
  signal: AbortSignal,
): Promise<void> {
  if (exec) {
    const { exitCode, output } = await target.runtime.exec(target.id, exec.command ?? [], signal);
    signal.throwIfAborted();
    if (exitCode === 0) return;
    const command = JSON.stringify(exec.command ?? []);
    throw new Error(`command ${command} exited with ${exitCode}: ${output.trim() || 'no output'}`);
  }
  if (httpGet) await askHttp(httpGet, target, { userAgent: 'kube-lifecycle/1.34', signal });
  else if (pause) await sleep(target.clock, pause.seconds * 1000, signal);
  else throw new Error('the hook has no action that is there: use exec, httpGet or sleep');
}
