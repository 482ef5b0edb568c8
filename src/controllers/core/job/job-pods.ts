import type { Job } from '#api/batch-v1/job.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { controllerReference } from '#api/meta/object-meta.ts';
import { INDEX_KEY } from '#controllers/core/job/completion-indexes.ts';
import { isEnded } from '#controllers/core/pod-state.ts';

/** On every pod of a Job until its end is counted, so that none can be gone before. */
export const TRACKING_FINALIZER = 'batch.kubernetes.io/job-tracking';

/** Kubernetes' figures: a pod that fails is replaced after this long, then twice as long, up to the longest. */
const BACKOFF_MS = 10_000;
const BACKOFF_MS_MAX = 600_000;

export function isTracked({ metadata }: Pod): boolean {
  return metadata.finalizers?.includes(TRACKING_FINALIZER) ?? false;
}

export function hasSucceeded({ status }: Pod): boolean {
  return status?.phase === 'Succeeded';
}

/** A pod that goes before it ended has failed as well, unless the Job waits for how it ends. */
export function hasFailed(pod: Pod, { spec }: Job): boolean {
  if (pod.status?.phase === 'Failed') return true;
  if (spec?.podReplacementPolicy === 'Failed') return false;
  return pod.metadata.deletionTimestamp !== undefined && !isEnded(pod);
}

/** How long after `nowMs` the next pod may be made: the more failed since the last success, the longer. */
export function backoffMs(pods: readonly Pod[], nowMs: number): number {
  const lastSuccessMs = Math.max(0, ...pods.filter(hasSucceeded).map(finishedMs));
  const failures = pods
    .filter(({ status }) => status?.phase === 'Failed')
    .map(finishedMs)
    .filter((atMs) => atMs > lastSuccessMs);
  if (failures.length === 0) return 0;
  const delayMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** (failures.length - 1));
  return Math.max(0, Math.max(...failures) + delayMs - nowMs);
}

function finishedMs({ metadata, status }: Pod): number {
  const ends = (status?.containerStatuses ?? []).map(({ state }) =>
    Date.parse(state?.terminated?.finishedAt ?? ''),
  );
  const latest = Math.max(...ends.filter((ms) => !Number.isNaN(ms)));
  return Number.isFinite(latest) ? latest : Date.parse(metadata.creationTimestamp ?? '') || 0;
}

/** The pod of one piece of work; of any where `index` is absent. */
export function desiredPod(job: Job, index: number | undefined): Pod {
  const { name = '', namespace } = job.metadata;
  const { metadata, spec } = job.spec?.template ?? {};
  const marks = index === undefined ? {} : { [INDEX_KEY]: String(index) };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: index === undefined ? `${name}-` : `${name}-${index}-`,
      ...(namespace !== undefined && { namespace }),
      labels: { ...metadata?.labels, ...marks },
      annotations: { ...metadata?.annotations, ...marks },
      finalizers: [...(metadata?.finalizers ?? []), TRACKING_FINALIZER],
      ownerReferences: [controllerReference(job)],
    },
    ...(spec && { spec: index === undefined ? spec : indexedSpec(spec, `${name}-${index}`) }),
  };
}

type PodSpec = NonNullable<Pod['spec']>;

/** Every container is told its index, and a pod can be reached by it. */
function indexedSpec(spec: PodSpec, hostname: string): PodSpec {
  const fieldPath = `metadata.annotations['${INDEX_KEY}']`;
  const variable = { name: 'JOB_COMPLETION_INDEX', valueFrom: { fieldRef: { fieldPath } } };
  const told = (container: PodSpec['containers'][number]): PodSpec['containers'][number] => ({
    ...container,
    env: [...(container.env ?? []).filter(({ name }) => name !== variable.name), variable],
  });
  return {
    ...spec,
    hostname: spec.hostname ?? hostname,
    containers: spec.containers.map(told),
    ...(spec.initContainers && { initContainers: spec.initContainers.map(told) }),
  };
}
