import type { Job } from '#api/batch-v1/job.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import type { PodFailurePolicyRule } from '#api/generated/batch-v1.ts';

/** What a Job's podFailurePolicy makes of a pod that has failed. */
export interface FailureRuling {
  readonly action: 'FailJob' | 'FailIndex' | 'Ignore' | 'Count';
  /** Which rule, and why, in Kubernetes' words. */
  readonly message: string;
}

const COUNT: FailureRuling = { action: 'Count', message: '' };

/** By the first rule that matches; a failure that none matches counts. */
export function failureRuling({ spec }: Job, pod: Pod): FailureRuling {
  for (const [index, rule] of (spec?.podFailurePolicy?.rules ?? []).entries()) {
    const found = matchOf(rule, pod);
    if (found === undefined) continue;
    // Validation lets no other action through.
    const action = rule.action as FailureRuling['action'];
    return { action, message: `${found} matching ${action} rule at index ${index}` };
  }
  return COUNT;
}

function matchOf({ onExitCodes, onPodConditions }: PodFailurePolicyRule, pod: Pod) {
  const { namespace = '', name = '' } = pod.metadata;
  if (onExitCodes) {
    const { containerName, operator, values } = onExitCodes;
    const found = failedContainers(pod).find(
      (container) =>
        (!containerName || container.name === containerName) &&
        values.includes(container.exitCode) === (operator === 'In'),
    );
    return (
      found &&
      `Container ${found.name} for pod ${namespace}/${name} failed with exit code ${found.exitCode}`
    );
  }
  const condition = pod.status?.conditions?.find(({ type, status }) =>
    onPodConditions?.some((wanted) => wanted.type === type && wanted.status === status),
  );
  return condition && `Pod ${namespace}/${name} has condition ${condition.type}`;
}

function failedContainers({ status }: Pod): { name: string; exitCode: number }[] {
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  return all.flatMap(({ name, state }) => {
    const exitCode = state?.terminated?.exitCode ?? 0;
    return exitCode === 0 ? [] : [{ name, exitCode }];
  });
}
