import { statefulSetErrors } from '#api/apps-v1/stateful-set-errors.ts';
import { defaultPodSpec } from '#api/core-v1/pod-defaults.ts';
import { PersistentVolumeClaim } from '#api/core-v1/persistent-volume-claim.ts';
import type { StatefulSet as Generated } from '#api/generated/apps-v1.ts';
import { templateWarnings } from '#api/core-v1/pod-warnings.ts';
import { defineCoreKind } from '#api/kind.ts';

export type StatefulSet = Generated;
export const StatefulSet = defineCoreKind<StatefulSet>({
  group: 'apps',
  version: 'v1',
  kind: 'StatefulSet',
  plural: 'statefulsets',
  scope: 'Namespaced',
  definition: 'io.k8s.api.apps.v1.StatefulSet',
  shortNames: ['sts'],
  categories: ['all'],
  subresources: ['status', 'scale'],
  notActedOn: 'StatefulSets are stored, but no pods are made for them yet',
  default({ spec }, context) {
    if (!spec) return;
    spec.replicas ??= 1;
    spec.revisionHistoryLimit ??= 10;
    spec.podManagementPolicy ??= 'OrderedReady';
    spec.persistentVolumeClaimRetentionPolicy = {
      whenDeleted: 'Retain',
      whenScaled: 'Retain',
      ...spec.persistentVolumeClaimRetentionPolicy,
    };
    const strategy = (spec.updateStrategy ??= {});
    strategy.type ??= 'RollingUpdate';
    if (strategy.type === 'RollingUpdate') {
      strategy.rollingUpdate = { partition: 0, ...strategy.rollingUpdate };
    }
    if (spec.template?.spec) defaultPodSpec(spec.template.spec);
    const { operation, username } = context;
    for (const claim of spec.volumeClaimTemplates ?? []) {
      claim.apiVersion = 'v1';
      claim.kind = PersistentVolumeClaim.kind;
      PersistentVolumeClaim.default?.(claim, { operation, username });
    }
  },
  validate: ({ spec }, { previous }) => statefulSetErrors(spec, previous?.spec),
  warnings: ({ spec }, { previous }) =>
    templateWarnings(spec?.template, previous?.spec?.template, 'spec.template'),
});
