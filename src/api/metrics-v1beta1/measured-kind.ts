import type { Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { core, map, object, string, type Fields, type Schema } from '#api/schema.ts';

const GROUP = 'metrics.k8s.io';
const VERSION = 'v1beta1';

/** Amounts by resource: `cpu` in cores, `memory` in bytes of the working set. */
export const usage = map(core<string>('io.k8s.apimachinery.pkg.api.resource.Quantity'));

/** When a measurement ended, and how long before that it began: `15s`. */
const measured = {
  timestamp: string({ format: 'date-time' }),
  window: string(),
};

/** A kind that nobody writes and nothing stores: what is measured, told as objects. */
export function defineMeasuredKind<const P extends Readonly<Record<string, Schema>>>(
  names: Pick<Kind, 'kind' | 'plural' | 'scope'>,
  properties: P,
): Kind<KubeObject & Fields<typeof measured & P>> {
  return Object.freeze({
    group: GROUP,
    version: VERSION,
    singular: '',
    shortNames: [],
    categories: [],
    columns: [],
    subresources: [],
    ...names,
    schema: object({ ...measured, ...properties }),
  });
}
