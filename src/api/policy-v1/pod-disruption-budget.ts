import type { PodDisruptionBudget as Generated } from '#api/generated/policy-v1.ts';
import { boundErrors, wholeErrors } from '#api/apps-v1/rollout-errors.ts';
import { defineCoreKind, type FieldError } from '#api/kind.ts';
import { wrongValue } from '#api/meta/field-error.ts';
import { selectorErrors } from '#api/meta/selector-errors.ts';
import { unsupportedErrors } from '#api/meta/value-errors.ts';

export type PodDisruptionBudget = Generated;
export const PodDisruptionBudget = defineCoreKind<PodDisruptionBudget>({
  group: 'policy',
  version: 'v1',
  kind: 'PodDisruptionBudget',
  plural: 'poddisruptionbudgets',
  scope: 'Namespaced',
  definition: 'io.k8s.api.policy.v1.PodDisruptionBudget',
  shortNames: ['pdb'],
  subresources: ['status'],
  notActedOn: 'PodDisruptionBudgets are stored, but nothing keeps to them yet',
  validate({ spec = {} }) {
    const areBoth = spec.minAvailable !== undefined && spec.maxUnavailable !== undefined;
    return [
      ...(areBoth
        ? [wrongValue('spec', spec, 'minAvailable and maxUnavailable cannot be both set')]
        : []),
      ...shareErrors('spec.minAvailable', spec.minAvailable),
      ...shareErrors('spec.maxUnavailable', spec.maxUnavailable),
      ...selectorErrors(spec.selector, 'spec.selector'),
      ...unsupportedErrors('spec.unhealthyPodEvictionPolicy', spec.unhealthyPodEvictionPolicy, [
        'AlwaysAllow',
        'IfHealthyBudget',
      ]),
    ];
  },
});

function shareErrors(path: string, bound: number | string | undefined): FieldError[] {
  return [...boundErrors(path, bound), ...wholeErrors(path, bound)];
}
