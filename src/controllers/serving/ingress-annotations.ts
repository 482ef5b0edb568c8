import { networkingAliases, networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import type { ServingSettings } from '#api/serving-config/config-maps.ts';
import { findAlias, LAST_APPLIED } from '#api/serving-v1/serving-keys.ts';
import { without } from '#controllers/serving/ensure-owned.ts';

type Annotations = Readonly<Record<string, string>>;

/** What of its maker's annotations is for whoever serves an Ingress, and who that is: as the maker says, else the cluster. */
export function ingressAnnotations(
  annotations: Annotations | undefined,
  { network }: ServingSettings,
): Record<string, string> {
  const { ingressClass, certificateClass } = networkingAliases;
  return {
    ...without(annotations, [LAST_APPLIED, ...ingressClass, ...certificateClass]),
    [networkingKeys.ingressClass]:
      findAlias(annotations, ingressClass)?.value ?? network.ingressClass,
  };
}
