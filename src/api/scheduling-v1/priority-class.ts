import type { PriorityClass as Generated } from '#api/generated/scheduling-v1.ts';
import { defineCoreKind } from '#api/kind.ts';
import { forbiddenField, immutableErrors } from '#api/meta/field-error.ts';
import { unsupportedErrors } from '#api/meta/value-errors.ts';

/** Above it are Kubernetes' own. */
const VALUE_MAX = 1_000_000_000;
const SYSTEM = ['system-cluster-critical', 'system-node-critical'];

export type PriorityClass = Generated;
export const PriorityClass = defineCoreKind<PriorityClass>({
  group: 'scheduling.k8s.io',
  version: 'v1',
  kind: 'PriorityClass',
  plural: 'priorityclasses',
  scope: 'Cluster',
  definition: 'io.k8s.api.scheduling.v1.PriorityClass',
  shortNames: ['pc'],
  notActedOn:
    'PriorityClasses give pods their priority, but no pod is scheduled or preempted by it yet',
  default(priorityClass) {
    priorityClass.preemptionPolicy ??= 'PreemptLowerPriority';
  },
  validate({ metadata, value, preemptionPolicy }, { previous }) {
    const isSystem = metadata.name?.startsWith('system-') ?? false;
    return [
      ...(value > VALUE_MAX && !isSystem
        ? [
            forbiddenField(
              'value',
              'maximum allowed value of a user defined priority is 1000000000',
            ),
          ]
        : []),
      ...unsupportedErrors('preemptionPolicy', preemptionPolicy, ['PreemptLowerPriority', 'Never']),
      ...(isSystem && !SYSTEM.includes(metadata.name ?? '')
        ? [
            forbiddenField(
              'metadata.name',
              `priority class names with 'system-' prefix are reserved for system use only. error: ${metadata.name} is not a known system priority class`,
            ),
          ]
        : []),
      ...(previous && value !== previous.value
        ? [forbiddenField('value', 'may not be changed in an update.')]
        : []),
      ...(previous
        ? immutableErrors('preemptionPolicy', preemptionPolicy, previous.preemptionPolicy)
        : []),
    ];
  },
});
