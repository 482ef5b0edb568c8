import os from 'node:os';
import { sleep } from '#base/clock.ts';
import type { AgentParts } from '#agent/agent-parts.ts';
import type { Container } from '#api/generated/core-v1.ts';
import { runHook } from '#agent/probes/lifecycle-hook.ts';
import type { Grace } from '#agent/pods/grace.ts';
import type { ContainerRecord } from '#agent/pods/pod-record.ts';

export interface EndOptions {
  readonly parts: Pick<AgentParts, 'runtime' | 'clock'>;
  readonly container: Container;
  readonly record: Pick<ContainerRecord, 'id' | 'stopSignal'>;
  /** The pod's. */
  readonly address: string;
  /** Until it is killed; none left: at once. */
  readonly grace: Grace;
  /** When it may be told to stop; its hook does not wait for that. */
  readonly turn?: Promise<unknown>;
  readonly onHookFailed: (message: string) => void;
}

/** As the kubelet: whatever its hook and the others took, a program has this long after its signal. */
const GRACE_MIN_MS = 2_000;

/**
 * Its preStop hook, its stop signal, SIGKILL when its grace is over; resolves when the container has ended or is killed.
 * An abort leaves it as it is then, and rejects.
 */
export async function endContainer(options: EndOptions, signal: AbortSignal): Promise<void> {
  const { parts, container, record, grace, turn } = options;
  const { clock, runtime } = parts;
  const ended = new AbortController();
  const over = AbortSignal.any([signal, ended.signal]);
  const watching = runtime.exited(record.id, over).then(
    () => ended.abort(),
    // Nobody knows how, or nobody waits any more.
    () => ended.abort(),
  );
  const wait = (ms: number): Promise<void> => sleep(clock, ms, over).catch(() => undefined);
  try {
    if (grace.leftMs > 0) {
      const hook = new AbortController();
      const hooked = preStop(options, AbortSignal.any([over, hook.signal]));
      await Promise.race([Promise.all([hooked, turn]), grace.passed(over)]);
      hook.abort();
      await hooked;
      if (!over.aborted) await runtime.kill(record.id, stopSignalOf(container, record));
      await Promise.all([grace.passed(over), wait(GRACE_MIN_MS)]);
    }
    signal.throwIfAborted();
    if (!ended.signal.aborted) await runtime.kill(record.id, 'SIGKILL');
  } finally {
    ended.abort();
    await watching;
  }
}

async function preStop(
  { parts, container, record, address, onHookFailed }: EndOptions,
  signal: AbortSignal,
): Promise<void> {
  const hook = container.lifecycle?.preStop;
  if (!hook) return;
  try {
    await runHook(hook, { ...parts, container, address, id: record.id }, signal);
  } catch (error) {
    if (!signal.aborted) onHookFailed(error instanceof Error ? error.message : String(error));
  }
}

/** Linux' number of the first real-time signal that programs may use; runc knows the others by name. */
const RTMIN = 34;
const SIGNAL_MAX = 64;

/** The spec's, then the image's, as runc takes it; SIGTERM where they name none that exists. */
function stopSignalOf(
  { lifecycle }: Container,
  { stopSignal }: Pick<ContainerRecord, 'stopSignal'>,
): string {
  const asked = (lifecycle?.stopSignal ?? stopSignal ?? '').replace(/^SIG/, '');
  const realTime = /^RTMIN(?:\+(\d+))?$/.exec(asked);
  const number = realTime ? RTMIN + Number(realTime[1] ?? 0) : Number(asked);
  if (number >= 1 && number <= SIGNAL_MAX) return String(number);
  return Object.hasOwn(os.constants.signals, `SIG${asked}`) ? `SIG${asked}` : 'SIGTERM';
}
