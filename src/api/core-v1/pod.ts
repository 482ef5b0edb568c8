import type { Pod as Generated, PodCondition } from '#api/generated/core-v1.ts';
import { defaultPod } from '#api/core-v1/pod-defaults.ts';
import { podChangeErrors } from '#api/core-v1/pod-change-errors.ts';
import { podSpecErrors } from '#api/core-v1/pod-errors.ts';
import { qosClassOf } from '#api/core-v1/qos-class.ts';
import { nameWarnings, podWarnings } from '#api/core-v1/pod-warnings.ts';
import { defineCoreKind } from '#api/kind.ts';
import { forbiddenField } from '#api/meta/field-error.ts';

export type Pod = Generated;
export const Pod = defineCoreKind<Pod>({
  group: '',
  version: 'v1',
  kind: 'Pod',
  plural: 'pods',
  scope: 'Namespaced',
  definition: 'io.k8s.api.core.v1.Pod',
  shortNames: ['po'],
  categories: ['all'],
  subresources: ['status', 'ephemeralcontainers'],
  default(pod, { operation }) {
    if (!pod.spec) return;
    defaultPod(pod.spec);
    if (operation !== 'CREATE') return;
    pod.spec.serviceAccountName ??= 'default';
    pod.spec.serviceAccount = pod.spec.serviceAccountName;
    pod.status = { phase: 'Pending', qosClass: qosClassOf(pod.spec) };
    if ((pod.spec.schedulingGates?.length ?? 0) > 0) pod.status.conditions = [GATED];
  },
  validate({ spec }, { previous, subresource }) {
    return [
      ...podSpecErrors(spec, 'spec'),
      ...(spec && previous?.spec ? podChangeErrors(spec, previous.spec, { subresource }) : []),
      ...(!previous && spec?.ephemeralContainers?.length
        ? [forbiddenField('spec.ephemeralContainers', 'cannot be set on create')]
        : []),
    ];
  },
  // As in Kubernetes, not of an update: it is seldom a person's.
  warnings: (pod, { previous }) =>
    previous ? [] : [...nameWarnings(pod.metadata, "the Pod's hostname"), ...podWarnings(pod)],
});

const GATED: PodCondition = {
  type: 'PodScheduled',
  status: 'False',
  reason: 'SchedulingGated',
  message: 'Scheduling is blocked due to non-empty scheduling gates',
};
