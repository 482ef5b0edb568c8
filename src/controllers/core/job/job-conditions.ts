import type { Job } from '#api/batch-v1/job.ts';

type Condition = NonNullable<NonNullable<Job['status']>['conditions']>[number];

export function isFinished(job: Job): boolean {
  return finishedCondition(job) !== undefined;
}

/** The condition that says for good how the Job ended. */
export function finishedCondition(job: Job): Condition | undefined {
  return trueCondition(job, ['Complete', 'Failed']);
}

/** Whether it is known how the Job ends; its last pods may still be there. */
export function isDecided(job: Job): boolean {
  return isFinished(job) || decision(job) !== undefined;
}

/** The condition that says how the Job is going to end. */
export function decision(job: Job): Condition | undefined {
  return trueCondition(job, ['FailureTarget', 'SuccessCriteriaMet']);
}

function trueCondition({ status }: Job, types: readonly string[]): Condition | undefined {
  return status?.conditions?.find((one) => types.includes(one.type) && one.status === 'True');
}
