import { jobErrors } from '#api/batch-v1/job-errors.ts';
import { defaultPodSpec } from '#api/core-v1/pod-defaults.ts';
import type { Job as Generated, JobSpec } from '#api/generated/batch-v1.ts';
import { nameWarnings, templateWarnings } from '#api/core-v1/pod-warnings.ts';
import { defineCoreKind } from '#api/kind.ts';

const CONTROLLER_UID_LABEL = 'batch.kubernetes.io/controller-uid';
const JOB_NAME_LABEL = 'batch.kubernetes.io/job-name';

export type Job = Generated;
export const Job = defineCoreKind<Job>({
  group: 'batch',
  version: 'v1',
  kind: 'Job',
  plural: 'jobs',
  scope: 'Namespaced',
  definition: 'io.k8s.api.batch.v1.Job',
  categories: ['all'],
  subresources: ['status'],
  default(job, { operation }) {
    if (!job.spec) return;
    defaultJobSpec(job.spec);
    const { metadata, spec } = job;
    if (operation === 'CREATE' && spec.manualSelector !== true) selectOwnPods(job);
    const labels = spec.template?.metadata?.labels;
    if (!metadata.labels && labels) metadata.labels = { ...labels };
  },
  validate: (job, { previous }) => jobErrors(job, previous?.spec),
  warnings: ({ metadata, spec }, { previous }) => [
    ...(previous ? [] : nameWarnings(metadata)),
    ...templateWarnings(spec?.template, previous?.spec?.template, 'spec.template'),
  ],
});

/** What Kubernetes fills in when a Job, or a template of one, leaves it out; changes `spec` in place. */
function defaultJobSpec(spec: JobSpec): void {
  if (spec.completions === undefined && spec.parallelism === undefined) spec.completions = 1;
  spec.parallelism ??= 1;
  spec.backoffLimit ??= spec.backoffLimitPerIndex === undefined ? 6 : 2 ** 31 - 1;
  spec.completionMode ??= 'NonIndexed';
  spec.suspend ??= false;
  spec.manualSelector ??= false;
  spec.podReplacementPolicy ??= spec.podFailurePolicy ? 'Failed' : 'TerminatingOrFailed';
  for (const { onPodConditions = [] } of spec.podFailurePolicy?.rules ?? []) {
    for (const condition of onPodConditions) condition.status ||= 'True';
  }
  if (spec.template?.spec) defaultPodSpec(spec.template.spec);
}

/** Two Jobs never fight over a pod: each selects by its own uid, which its pods carry. */
function selectOwnPods(job: Job): void {
  const { metadata, spec } = job;
  if (!spec?.template || spec.selector) return;
  const { uid = '', name = '' } = metadata;
  const own = {
    'controller-uid': uid,
    [CONTROLLER_UID_LABEL]: uid,
    'job-name': name,
    [JOB_NAME_LABEL]: name,
  };
  const labels = { ...spec.template.metadata?.labels, ...own };
  spec.template.metadata = { ...spec.template.metadata, labels };
  spec.selector = { matchLabels: { [CONTROLLER_UID_LABEL]: uid } };
}
