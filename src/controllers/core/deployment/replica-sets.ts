import { createHash } from 'node:crypto';
import type { Deployment } from '#api/apps-v1/deployment.ts';
import type { ReplicaSet } from '#api/apps-v1/replica-set.ts';
import { controllerReference } from '#api/meta/object-meta.ts';
import { isSameContent } from '#client/overlay.ts';

/** Which rollout a ReplicaSet was made for, 1 for the first; of a Deployment, which it is at. */
export const REVISION = 'deployment.kubernetes.io/revision';
/** Tells the pods of one template from those of another. */
export const TEMPLATE_HASH = 'pod-template-hash';

/** Annotations of a Deployment that are about itself. */
const OWN_ANNOTATIONS: readonly string[] = [
  'kubectl.kubernetes.io/last-applied-configuration',
  'deployment.kubernetes.io/revision-history',
  REVISION,
];

export interface ReplicaSets {
  /** Made for the Deployment's current template; absent where there is none yet. */
  readonly newSet: ReplicaSet | undefined;
  /** All others, oldest first. */
  readonly oldSets: readonly ReplicaSet[];
}

/** Tells the set of the current template by the template itself: a hash may change with a release, a template does not. */
export function sortReplicaSets(deployment: Deployment, sets: readonly ReplicaSet[]): ReplicaSets {
  const byAge = sets.toSorted((a, b) => ageOf(a).localeCompare(ageOf(b)));
  const newSet = byAge.find((set) => isSameContent(templateOf(set), templateOf(deployment)));
  return { newSet, oldSets: byAge.filter((set) => set !== newSet) };
}

function revisionOf(object: ReplicaSet | Deployment): number {
  return Number(object.metadata.annotations?.[REVISION] ?? 0) || 0;
}

/** The set of the current template as it is to be, with `replicas` pods and the revision after all old ones. */
export function desiredReplicaSet(
  deployment: Deployment,
  { newSet, oldSets, replicas }: ReplicaSets & { readonly replicas: number },
): ReplicaSet {
  const { name, namespace, annotations = {} } = deployment.metadata;
  const { selector, template, minReadySeconds = 0 } = deployment.spec ?? EMPTY_SPEC;
  const hash = newSet?.metadata.labels?.[TEMPLATE_HASH] ?? templateHash(deployment);
  const labels = { ...template.metadata?.labels, [TEMPLATE_HASH]: hash };
  const copied = Object.entries(annotations).filter(([key]) => !OWN_ANNOTATIONS.includes(key));
  return {
    apiVersion: 'apps/v1',
    kind: 'ReplicaSet',
    metadata: {
      name: newSet?.metadata.name ?? `${name}-${hash}`,
      ...(namespace !== undefined && { namespace }),
      labels,
      annotations: {
        ...Object.fromEntries(copied),
        [REVISION]: String(nextRevision({ newSet, oldSets })),
      },
      ownerReferences: [controllerReference(deployment)],
    },
    spec: {
      replicas,
      // The server keeps no zero: said each time, it would be written each time.
      ...((minReadySeconds !== 0 || newSet?.spec?.minReadySeconds) && { minReadySeconds }),
      selector: { ...selector, matchLabels: { ...selector.matchLabels, [TEMPLATE_HASH]: hash } },
      template: { ...template, metadata: { ...template.metadata, labels } },
    },
  };
}

/** Old sets beyond the newest `revisionHistoryLimit` that have no pods and that nobody is asking about. */
export function expiredReplicaSets(
  deployment: Deployment,
  oldSets: readonly ReplicaSet[],
): readonly ReplicaSet[] {
  const isEmpty = ({ metadata, spec, status }: ReplicaSet): boolean =>
    spec?.replicas === 0 &&
    (status?.replicas ?? 0) === 0 &&
    status?.observedGeneration === metadata.generation &&
    metadata.deletionTimestamp === undefined;
  const excess = oldSets.length - (deployment.spec?.revisionHistoryLimit ?? 10);
  if (excess <= 0) return [];
  const byRevision = oldSets.toSorted((a, b) => revisionOf(a) - revisionOf(b));
  return byRevision.slice(0, excess).filter(isEmpty);
}

/** A rollback makes an old set the new one, and its revision the highest again. */
function nextRevision({ newSet, oldSets }: ReplicaSets): number {
  const highest = Math.max(0, ...oldSets.map(revisionOf));
  const own = newSet ? revisionOf(newSet) : 0;
  return own > highest ? own : highest + 1;
}

const EMPTY_SPEC: NonNullable<Deployment['spec']> = { selector: {}, template: {} };

function templateOf(object: ReplicaSet | Deployment): unknown {
  const { metadata, ...rest } = object.spec?.template ?? {};
  const { [TEMPLATE_HASH]: _, ...labels } = metadata?.labels ?? {};
  return { ...rest, metadata: { ...metadata, labels } };
}

function ageOf({ metadata }: ReplicaSet): string {
  return `${metadata.creationTimestamp} ${metadata.name}`;
}

/** Kubernetes' alphabet for generated names: nothing in it spells a word. */
const ALPHABET = 'bcdfghjklmnpqrstvwxz2456789';
const HASH_LENGTH = 10;

function templateHash(deployment: Deployment): string {
  const { collisionCount = 0 } = deployment.status ?? {};
  const text = JSON.stringify([sortKeys(templateOf(deployment)), collisionCount]);
  const bytes = createHash('sha256').update(text).digest().subarray(0, HASH_LENGTH);
  return Array.from(bytes, (byte) => ALPHABET[byte % ALPHABET.length]).join('');
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([name, part]) => [name, sortKeys(part)]));
}
