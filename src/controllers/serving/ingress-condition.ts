import { conditionOf, type Conditions } from '#api/meta/conditions.ts';
import type { Ingress } from '#api/networking-v1alpha1/ingress.ts';

const TYPE = 'IngressReady';

/** Whether the gateway serves what was written for the object; `ingress` is absent where somebody else has its name. */
export function markIngress(
  conditions: Conditions,
  name: string,
  ingress: Ingress | undefined,
): void {
  if (!ingress) {
    const message = `There is an existing Ingress "${name}" that we do not own.`;
    conditions.markFalse(TYPE, 'NotOwned', message);
  } else if (ingress.status?.observedGeneration !== ingress.metadata.generation) {
    conditions.markUnknown(TYPE, 'IngressNotConfigured', 'Ingress has not yet been reconciled.');
  } else conditions.mark(TYPE, conditionOf(ingress, 'Ready'));
}
