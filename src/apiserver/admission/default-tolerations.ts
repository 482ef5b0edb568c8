import { Pod } from '#api/core-v1/pod.ts';
import type { Toleration } from '#api/generated/core-v1.ts';
import type { AdmissionStep } from '#apiserver/admission/admit.ts';

/** What a pod outlives of its node unless it says otherwise, in seconds; Kubernetes' own figure. */
const TOLERATED_SECONDS = 300;
const TROUBLES = ['node.kubernetes.io/not-ready', 'node.kubernetes.io/unreachable'];

/** Lets every pod stay five minutes on a node that fell silent, as Kubernetes' DefaultTolerationSeconds does. */
export const defaultTolerations: AdmissionStep = {
  handles: (kind) => kind === Pod,
  admit(object, { subresource }) {
    // `handles` let only pods come here.
    const { spec } = object as Pod;
    if (subresource !== undefined || !spec) return Promise.resolve(undefined);
    const tolerations = spec.tolerations ?? [];
    const added = TROUBLES.filter((key) => !tolerations.some((each) => tolerates(each, key)));
    if (added.length > 0) spec.tolerations = [...tolerations, ...added.map(toleration)];
    return Promise.resolve(undefined);
  },
};

function tolerates({ key, effect }: Toleration, trouble: string): boolean {
  return (!key || key === trouble) && (!effect || effect === 'NoExecute');
}

function toleration(key: string): Toleration {
  return { key, operator: 'Exists', effect: 'NoExecute', tolerationSeconds: TOLERATED_SECONDS };
}
