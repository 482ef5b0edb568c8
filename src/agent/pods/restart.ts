import type { Container, ContainerStateTerminated } from '#api/generated/core-v1.ts';
import { backoffMs } from '#base/backoff.ts';

/** Kubernetes' figures: at once the first time, then 10 s doubled to 5 minutes; forgotten after a run of 10 minutes. */
const RESTART = { firstMs: 10_000, maxMs: 300_000 };
const FORGIVEN_MS = 600_000;

/**
 * What a container is for its pod: `init` runs to its end before the next begins, `sidecar` is an init container that
 * goes on beside the others until they have ended (`restartPolicy: Always`), `main` is the pod's own, `ephemeral` came
 * later for somebody to look around.
 */
export type ContainerRole = 'init' | 'sidecar' | 'main' | 'ephemeral';

export function initRole({ restartPolicy }: Container): ContainerRole {
  return restartPolicy === 'Always' ? 'sidecar' : 'init';
}

export interface RestartQuestion {
  readonly container: Container;
  readonly role: ContainerRole;
  /** The pod's. */
  readonly policy: string;
  readonly exitCode: number;
}

/** The container's own rules decide first, then its own policy, then the pod's. */
export function isRestarted({ container, role, policy, exitCode }: RestartQuestion): boolean {
  if (role === 'sidecar') return true;
  if (role === 'ephemeral') return false;
  if (hasRuleFor(container, exitCode)) return true;
  const own = container.restartPolicy ?? policy;
  if (exitCode === 0) return role === 'main' && own === 'Always';
  return own !== 'Never';
}

/** Milliseconds to wait after the `crashes`th end in a row, counted from 1. */
export function restartDelayMs(crashes: number): number {
  return crashes <= 1 ? 0 : backoffMs(RESTART, crashes - 1);
}

/** Who ran for so long has begun well: its earlier ends are forgotten. */
export function ranLong({ startedAt = '', finishedAt = '' }: ContainerStateTerminated): boolean {
  return Date.parse(finishedAt) - Date.parse(startedAt) >= FORGIVEN_MS;
}

function hasRuleFor({ restartPolicyRules = [] }: Container, exitCode: number): boolean {
  return restartPolicyRules.some(({ action, exitCodes }) => {
    const isNamed = exitCodes?.values?.includes(exitCode) ?? false;
    return action === 'Restart' && (exitCodes?.operator === 'NotIn' ? !isNamed : isNamed);
  });
}
