import type { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import type { Container } from '#api/generated/core-v1.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import type { PodSandbox } from '#agent/pods/pod-sandbox.ts';
import { probeOnce } from '#agent/probes/probe.ts';
import { runProber } from '#agent/probes/prober.ts';

const FREEZE_ANNOTATION = 'knode.dev/freeze';
/** A program that is not ready by then is not kept. */
const READY_MS = 60_000;

/** Whether the template asks for its program to be kept in memory, without processor time. */
export function isKeptFrozen(replicaSet: ReplicaSet): boolean {
  return replicaSet.spec?.template?.metadata?.annotations?.[FREEZE_ANNOTATION] === 'true';
}

/** Starts the sandbox's programs and freezes them as soon as their probes say that they are ready. */
export async function freezeWhenReady(
  parts: AgentParts,
  { pod, sandbox }: { readonly pod: Pod; readonly sandbox: PodSandbox },
  signal: AbortSignal,
): Promise<void> {
  const late = new AbortController();
  using _timer = parts.clock.after(READY_MS, () =>
    late.abort(new Error(`the program was not ready within ${READY_MS / 1000} s`)),
  );
  const until = AbortSignal.any([signal, late.signal]);
  const containers = pod.spec?.containers ?? [];
  await Promise.all(
    containers.map(async (container) => {
      await sandbox.startContainer(container.name);
      await probesReady(parts, { container, sandbox }, until);
    }),
  );
  await sandbox.freeze();
}

async function probesReady(
  { clock, runtime, execs }: AgentParts,
  { container, sandbox }: { readonly container: Container; readonly sandbox: PodSandbox },
  signal: AbortSignal,
): Promise<void> {
  const probe = container.readinessProbe ?? container.startupProbe;
  const id = sandbox.container(container.name)?.id;
  if (!probe || id === undefined) return;
  const ready = new AbortController();
  const until = AbortSignal.any([signal, ready.signal]);
  const target = { address: sandbox.address, container, id, runtime, execs };
  const onChange = (isSuccess: boolean): void => {
    if (isSuccess) ready.abort();
  };
  const asking = { probe, clock, onChange, onFailure: () => undefined, isEager: true };
  const ended = async (): Promise<never> => {
    const { exitCode } = await runtime.exited(id, until);
    throw new Error(`the program ended with exit code ${exitCode} before it was ready`);
  };
  try {
    const ask = (): Promise<string> => probeOnce(probe, target, until);
    await Promise.race([runProber({ ...asking, ask }, until), ended()]);
  } catch (error) {
    if (!ready.signal.aborted) throw error;
  } finally {
    ready.abort();
  }
}
