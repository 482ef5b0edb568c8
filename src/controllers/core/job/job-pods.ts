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

/**
 * A pod that goes before it ended has failed as well, unless the Job waits for how it ends; one that no node ever had has
 * no end to wait for.
 */
export function hasFailed(pod: Pod, { spec }: Job): boolean {
  if (pod.status?.phase === 'Failed') return true;
  if (pod.metadata.deletionTimestamp === undefined || isEnded(pod)) return false;
  return spec?.podReplacementPolicy !== 'Failed' || !pod.spec?.nodeName;
}

/** How long after `nowMs` the next pod may be made: the more failed since the last success, the longer. */
export function backoffMs(pods: readonly Pod[], nowMs: number): number {
  const lastSuccessMs = Math.max(0, ...pods.filter(hasSucceeded).map(finishedMs));
  const failures = pods
    .filter(({ status }) => status?.phase === 'Failed')
    .map(finishedMs)
    .filter((atMs) => atMs > lastSuccessMs);
  if (failures.length === 0) return 0;
  return Math.max(0, Math.max(...failures) + backoffAfterMs(failures.length) - nowMs);
}

/** How long after the last of so many failures in a row. */
export function backoffAfterMs(failures: number): number {
  return Math.min(BACKOFF_MS_MAX, BACKOFF_MS * 2 ** (failures - 1));
}

/** When a pod ended, or began where nobody knows. */
export function finishedMs({ metadata, status }: Pod): number {
  const ends = (status?.containerStatuses ?? []).map(({ state }) =>
    Date.parse(state?.terminated?.finishedAt ?? ''),
  );
  const latest = Math.max(...ends.filter((ms) => !Number.isNaN(ms)));
  return Number.isFinite(latest) ? latest : Date.parse(metadata.creationTimestamp ?? '') || 0;
}

/** The pod of one piece of work, with `marks` as annotations besides; of any work where `index` is absent. */
export function desiredPod(
  job: Job,
  index: number | undefined,
  marks: Readonly<Record<string, string>> = {},
): Pod {
  const { name = '', namespace } = job.metadata;
  const { metadata, spec } = job.spec?.template ?? {};
  const indexed = index === undefined ? {} : { [INDEX_KEY]: String(index) };
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: index === undefined ? `${name}-` : `${name}-${index}-`,
      ...(namespace !== undefined && { namespace }),
      labels: { ...metadata?.labels, ...indexed },
      annotations: { ...metadata?.annotations, ...indexed, ...marks },
      finalizers: [...(metadata?.finalizers ?? []), TRACKING_FINALIZER],
      ownerReferences: [controllerReference(job)],
    },
    ...(spec && { spec: index === undefined ? spec : indexedSpec(spec, `${name}-${index}`) }),
  };
}

type PodSpec = NonNullable<Pod['spec']>;

/** Every container is told its index, and a pod can be reached by it. */
function indexedSpec(spec: PodSpec, hostname: string): PodSpec {
  const fieldPath = `metadata.labels['${INDEX_KEY}']`;
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
