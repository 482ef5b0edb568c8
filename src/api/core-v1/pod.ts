import { isDeepStrictEqual } from 'node:util';
import type { Container, Pod as Generated, PodSpec } from '#api/generated/core-v1.ts';
import { defaultPod } from '#api/core-v1/pod-defaults.ts';
import { podSpecErrors } from '#api/core-v1/pod-errors.ts';
import { qosClassOf } from '#api/core-v1/qos-class.ts';
import { defineCoreKind, type FieldError } from '#api/kind.ts';
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
  subresources: ['status'],
  default(pod, { operation }) {
    if (!pod.spec) return;
    defaultPod(pod.spec);
    if (operation !== 'CREATE') return;
    pod.spec.serviceAccountName ??= 'default';
    pod.spec.serviceAccount = pod.spec.serviceAccountName;
    pod.status = { phase: 'Pending', qosClass: qosClassOf(pod.spec) };
  },
  validate(pod, { previous, subresource }) {
    const isBinding = subresource === 'binding';
    return [
      ...podSpecErrors(pod.spec, 'spec'),
      ...(pod.spec && previous?.spec ? changeErrors(pod.spec, previous.spec, { isBinding }) : []),
    ];
  },
});

const CHANGE_TEXT =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)';

function changeErrors(
  spec: PodSpec,
  previous: PodSpec,
  { isBinding }: { readonly isBinding: boolean },
): FieldError[] {
  // A node is given once, by whoever may bind: to change pods is not enough.
  const { nodeName = '', ...before } = fixedPart(previous);
  const { nodeName: given = '', ...after } = fixedPart(spec);
  const isSame = isDeepStrictEqual(after, before) && (isBinding || given === nodeName);
  return isSame ? [] : [forbiddenField('spec', CHANGE_TEXT)];
}

/** What of a pod stays as it was created. */
function fixedPart(spec: PodSpec): PodSpec {
  const {
    activeDeadlineSeconds: _deadline,
    tolerations: _tolerations,
    schedulingGates: _gates,
    ephemeralContainers: _ephemeral,
    initContainers,
    ...fixed
  } = spec;
  const withoutImage = (container: Container): Container => ({ ...container, image: '' });
  return {
    ...fixed,
    containers: spec.containers.map(withoutImage),
    ...(initContainers && { initContainers: initContainers.map(withoutImage) }),
  };
}
