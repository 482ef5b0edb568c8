import { canonicalAmount, canonicalQuantity } from '#api/meta/canonical.ts';
import { isQuantity } from '#api/meta/quantity.ts';
import type { RevisionSpec } from '#api/serving-v1/revision-template.ts';

/** Writes amounts of resources as Kubernetes does, in place: `500m` for `0.5`. What is none is left to whoever refuses it. */
export function normalizeAmounts({ containers, initContainers, volumes }: RevisionSpec): void {
  for (const { resources } of [...(containers ?? []), ...(initContainers ?? [])]) {
    for (const list of [resources?.requests, resources?.limits]) {
      for (const [name, amount] of Object.entries(list ?? {})) {
        if (list && isQuantity(amount)) list[name] = canonicalAmount(String(amount));
      }
    }
  }
  for (const { emptyDir } of volumes ?? []) {
    const { sizeLimit } = emptyDir ?? {};
    if (emptyDir && sizeLimit !== undefined && isQuantity(sizeLimit)) {
      emptyDir.sizeLimit = canonicalQuantity(String(sizeLimit));
    }
  }
}
