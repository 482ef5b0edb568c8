import { timestamp } from '#api/meta/timestamp.ts';
import type { Namespace } from '#api/core-v1/namespace.ts';

type Condition = NonNullable<NonNullable<Namespace['status']>['conditions']>[number];

/** What of one kind is still in a namespace that goes. */
export interface Remaining {
  readonly resource: string;
  readonly count: number;
  /** Of all of them, with repetitions. */
  readonly finalizers: readonly string[];
}

/** What cannot fail here, where the kinds are known, is said all the same: clients look for it. */
const NO_FAILURES: readonly Omit<Condition, 'lastTransitionTime'>[] = [
  {
    type: 'NamespaceDeletionDiscoveryFailure',
    status: 'False',
    reason: 'ResourcesDiscovered',
    message: 'All resources successfully discovered',
  },
  {
    type: 'NamespaceDeletionGroupVersionParsingFailure',
    status: 'False',
    reason: 'ParsedGroupVersions',
    message: 'All legacy kube types successfully parsed',
  },
  {
    type: 'NamespaceDeletionContentFailure',
    status: 'False',
    reason: 'ContentDeleted',
    message: 'All content successfully deleted, may be waiting on finalization',
  },
];

/** The conditions of a namespace that waits for its contents to go; they say what it waits for. */
export function terminatingConditions(
  previous: readonly Condition[],
  { remaining, now }: { readonly remaining: readonly Remaining[]; readonly now: Date },
): Condition[] {
  // As Kubernetes has it: `pods.`, of a group that has no name.
  const contents = remaining.map(({ resource, count }) => {
    const name = resource.includes('.') ? resource : `${resource}.`;
    return `${name} has ${count} resource instances`;
  });
  const finalizers = Map.groupBy(
    remaining.flatMap((one) => one.finalizers),
    (name) => name,
  );
  const holders = [...finalizers].map(
    ([name, { length }]) => `${name} in ${length} resource instances`,
  );
  const findings: Omit<Condition, 'lastTransitionTime'>[] = [
    finding('NamespaceContentRemaining', {
      parts: contents,
      reason: 'SomeResourcesRemain',
      prefix: 'Some resources are remaining: ',
      otherwise: ['ContentRemoved', 'All content successfully removed'],
    }),
    finding('NamespaceFinalizersRemaining', {
      parts: holders,
      reason: 'SomeFinalizersRemain',
      prefix: 'Some content in the namespace has finalizers remaining: ',
      otherwise: ['ContentHasNoFinalizers', 'All content-preserving finalizers finished'],
    }),
  ];
  return [...NO_FAILURES, ...findings].map((one) => {
    const known = previous.find(({ type }) => type === one.type);
    const at = timestamp(now);
    const isSame = known?.status === one.status;
    return { ...one, lastTransitionTime: (isSame && known.lastTransitionTime) || at };
  });
}

function finding(
  type: string,
  text: {
    readonly parts: readonly string[];
    readonly reason: string;
    readonly prefix: string;
    readonly otherwise: readonly [reason: string, message: string];
  },
): Omit<Condition, 'lastTransitionTime'> {
  if (text.parts.length > 0) {
    const message = text.prefix + text.parts.toSorted().join(', ');
    return { type, status: 'True', reason: text.reason, message };
  }
  const [reason, message] = text.otherwise;
  return { type, status: 'False', reason, message };
}
