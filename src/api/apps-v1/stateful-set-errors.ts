import { isDeepStrictEqual } from 'node:util';
import { replicatedErrors } from '#api/apps-v1/replicated-errors.ts';
import { boundErrors, isNoBound } from '#api/apps-v1/rollout-errors.ts';
import { claimSpecErrors } from '#api/core-v1/claim-errors.ts';
import type { StatefulSetSpec } from '#api/generated/apps-v1.ts';
import type { PodTemplateSpec, Volume } from '#api/generated/core-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { forbiddenField, wrongValue } from '#api/meta/field-error.ts';
import { dnsLabel, nameErrors } from '#api/meta/name-errors.ts';
import { negativeErrors, unsupportedErrors } from '#api/meta/value-errors.ts';

const CHANGE_TEXT =
  "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";

/** What is wrong with a StatefulSet's spec; most of it stays as it was created. */
export function statefulSetErrors(
  spec: StatefulSetSpec | undefined,
  previous: StatefulSetSpec | undefined,
): FieldError[] {
  const { podManagementPolicy: policy, persistentVolumeClaimRetentionPolicy: kept } = spec ?? {};
  const at = 'spec.persistentVolumeClaimRetentionPolicy';
  const isPolicy = policy === 'OrderedReady' || policy === 'Parallel';
  return [
    ...(isPolicy
      ? []
      : [wrongValue('spec.podManagementPolicy', policy, "must be 'OrderedReady' or 'Parallel'")]),
    ...strategyErrors(spec?.updateStrategy),
    ...unsupportedErrors(`${at}.whenDeleted`, kept?.whenDeleted, ['Delete', 'Retain']),
    ...unsupportedErrors(`${at}.whenScaled`, kept?.whenScaled, ['Delete', 'Retain']),
    ...(previous ? [] : claimErrors(spec?.volumeClaimTemplates ?? [])),
    ...negativeErrors('spec.ordinals.start', spec?.ordinals?.start),
    ...(spec?.serviceName && !previous
      ? nameErrors(dnsLabel, 'spec.serviceName', spec.serviceName)
      : []),
    ...replicatedErrors(spec && { ...spec, template: withClaims(spec) }, {
      selects: 'statefulset',
      runs: 'StatefulSet',
    }),
    ...(spec && previous && !isDeepStrictEqual(fixedPart(spec), fixedPart(previous))
      ? [forbiddenField('spec', CHANGE_TEXT)]
      : []),
  ];
}

function strategyErrors(strategy: StatefulSetSpec['updateStrategy']): FieldError[] {
  const { type, rollingUpdate } = strategy ?? {};
  const at = 'spec.updateStrategy.rollingUpdate';
  switch (type ?? '') {
    case 'RollingUpdate': {
      const { partition, maxUnavailable } = rollingUpdate ?? {};
      const path = `${at}.maxUnavailable`;
      return [
        ...negativeErrors(`${at}.partition`, partition),
        ...boundErrors(path, maxUnavailable),
        ...(maxUnavailable !== undefined && isNoBound(maxUnavailable)
          ? [wrongValue(path, maxUnavailable, 'cannot be 0')]
          : []),
      ];
    }
    case 'OnDelete': {
      const why = "only allowed for updateStrategy 'RollingUpdate'";
      return rollingUpdate ? [wrongValue(at, rollingUpdate, why)] : [];
    }
    default:
      return [wrongValue('spec.updateStrategy', strategy, "must be 'RollingUpdate' or 'OnDelete'")];
  }
}

function claimErrors(
  templates: NonNullable<StatefulSetSpec['volumeClaimTemplates']>,
): FieldError[] {
  return templates.flatMap(({ spec }, index) =>
    claimSpecErrors(spec, `spec.volumeClaimTemplates[${index}].spec`),
  );
}

/** Its pods have a volume of each claim that is made for them. */
function withClaims({ template, volumeClaimTemplates = [] }: StatefulSetSpec): PodTemplateSpec {
  if (!template.spec || volumeClaimTemplates.length === 0) return template;
  const claimed = volumeClaimTemplates.map(({ metadata: { name = '' } }): Volume => ({
    name,
    persistentVolumeClaim: { claimName: name },
  }));
  const others = (template.spec.volumes ?? []).filter(
    ({ name }) => !claimed.some((volume) => volume.name === name),
  );
  return { ...template, spec: { ...template.spec, volumes: [...claimed, ...others] } };
}

function fixedPart(spec: StatefulSetSpec): object {
  const {
    replicas: _replicas,
    ordinals: _ordinals,
    template: _template,
    updateStrategy: _updateStrategy,
    revisionHistoryLimit: _revisionHistoryLimit,
    persistentVolumeClaimRetentionPolicy: _retention,
    minReadySeconds: _minReadySeconds,
    ...fixed
  } = spec;
  return fixed;
}
