import { sum, type Amounts } from '#api/core-v1/pod-requests.ts';
import { isInScope, limitedBy, quotaUsage } from '#api/core-v1/quota-usage.ts';
import { ResourceQuota } from '#api/core-v1/resource-quota.ts';
import { resourceOf, type Kind } from '#api/kind.ts';
import { parseQuantity, renderQuantity } from '#api/meta/quantity.ts';
import { oneVersionOf, type ServedKinds } from '#api/served-kinds.ts';
import {
  defineController,
  keyOf,
  on,
  type Context,
  type Controller,
} from '#reconcile/controller.ts';

/** Custom resources are not watched for this: a quota that counts them looks again after so long. */
const CUSTOM_AGAIN_MS = 30_000;

/** Says in the status of each quota how much of it is used, for people: admission counts for itself. */
export function resourceQuotaController(kinds: ServedKinds): Controller<ResourceQuota> {
  const watched = oneVersionOf(kinds.current()).filter(
    ({ scope, custom }) => scope === 'Namespaced' && !custom,
  );
  return defineController<ResourceQuota>({
    kind: ResourceQuota,
    watches: watched.map((kind) =>
      on(kind, ({ metadata }, known) =>
        known.list(ResourceQuota, metadata.namespace).map((quota) => keyOf(quota)),
      ),
    ),
    async reconcile(quota, context) {
      const hard = quota.spec?.hard ?? {};
      const custom = oneVersionOf(kinds.current()).filter(
        (kind) => kind.custom && Object.hasOwn(hard, `count/${resourceOf(kind)}`),
      );
      const used = await usedOf(quota, [...watched, ...custom], context);
      const amounts = Object.keys(hard).map((name) => [
        name,
        renderQuantity(used.get(name) ?? parseQuantity(0)),
      ]);
      // What fromEntries makes of pairs of texts.
      const status = { hard, used: Object.fromEntries(amounts) as Record<string, string> };
      return { status, ...(custom.length > 0 && { againAfterMs: CUSTOM_AGAIN_MS }) };
    },
  });
}

async function usedOf(
  quota: ResourceQuota,
  kinds: readonly Kind[],
  { client }: Context,
): Promise<Amounts> {
  const { namespace = '' } = quota.metadata;
  let used: Amounts = new Map();
  for (const kind of kinds) {
    for (const object of (await client.list(kind, { namespace })).items) {
      if (!isInScope(quota, kind, object)) continue;
      used = sum(used, limitedBy(quota, quotaUsage(kind, object)));
    }
  }
  return used;
}
