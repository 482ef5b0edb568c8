import { autoscalerErrors } from '#api/autoscaling-v2/autoscaler-errors.ts';
import type {
  HorizontalPodAutoscaler as Generated,
  HPAScalingRules,
} from '#api/generated/autoscaling-v2.ts';
import { defineCoreKind } from '#api/kind.ts';

export type HorizontalPodAutoscaler = Generated;
export const HorizontalPodAutoscaler = defineCoreKind<HorizontalPodAutoscaler>({
  group: 'autoscaling',
  version: 'v2',
  kind: 'HorizontalPodAutoscaler',
  plural: 'horizontalpodautoscalers',
  scope: 'Namespaced',
  definition: 'io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler',
  shortNames: ['hpa'],
  categories: ['all'],
  subresources: ['status'],
  default({ spec }) {
    if (!spec) return;
    spec.minReplicas ??= 1;
    if (!spec.metrics?.length) {
      const target = { type: 'Utilization', averageUtilization: 80 };
      spec.metrics = [{ type: 'Resource', resource: { name: 'cpu', target } }];
    }
    const { behavior } = spec;
    if (!behavior) return;
    behavior.scaleUp = { ...scaleUpRules, ...behavior.scaleUp };
    behavior.scaleDown = { ...scaleDownRules, ...behavior.scaleDown };
  },
  validate: ({ spec }) => autoscalerErrors(spec),
});

/** Kubernetes' own, as a rule that leaves something out gets them: double or four more, whichever is more. */
const scaleUpRules: HPAScalingRules = {
  stabilizationWindowSeconds: 0,
  selectPolicy: 'Max',
  policies: [
    { type: 'Pods', value: 4, periodSeconds: 15 },
    { type: 'Percent', value: 100, periodSeconds: 15 },
  ],
};
/** Down to nothing at once, but only as far as the highest wish of the last five minutes. */
const scaleDownRules: HPAScalingRules = {
  selectPolicy: 'Max',
  policies: [{ type: 'Percent', value: 100, periodSeconds: 15 }],
};
