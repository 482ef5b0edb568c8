import { replicatedErrors } from '#api/apps-v1/replicated-errors.ts';
import { defaultPodSpec } from '#api/core-v1/pod-defaults.ts';
import type { Deployment as Generated } from '#api/generated/apps-v1.ts';
import { defineCoreKind } from '#api/kind.ts';

export type Deployment = Generated;
export const Deployment = defineCoreKind<Deployment>({
  group: 'apps',
  version: 'v1',
  kind: 'Deployment',
  plural: 'deployments',
  scope: 'Namespaced',
  definition: 'io.k8s.api.apps.v1.Deployment',
  shortNames: ['deploy'],
  categories: ['all'],
  subresources: ['status', 'scale'],
  default({ spec }) {
    if (!spec) return;
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    spec.progressDeadlineSeconds ??= 600;
    const strategy = (spec.strategy ??= {});
    strategy.type ??= 'RollingUpdate';
    if (strategy.type === 'RollingUpdate') {
      strategy.rollingUpdate = {
        maxSurge: '25%',
        maxUnavailable: '25%',
        ...strategy.rollingUpdate,
      };
    }
    if (spec.template?.spec) defaultPodSpec(spec.template.spec);
  },
  validate({ spec }, { previous }) {
    return replicatedErrors(spec, previous?.spec);
  },
});
