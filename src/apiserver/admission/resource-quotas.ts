import type { Pod } from '#api/core-v1/pod.ts';
import { sum, type Amounts } from '#api/core-v1/pod-requests.ts';
import { isInScope, limitedBy, quotaUsage, unsaidRequests } from '#api/core-v1/quota-usage.ts';
import { ResourceQuota } from '#api/core-v1/resource-quota.ts';
import { resourceOf, type Kind } from '#api/kind.ts';
import { forbidden } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import {
  parseQuantity,
  renderQuantity,
  subtractQuantities,
  type Quantity,
} from '#api/meta/quantity.ts';
import { oneVersionOf, type ServedKinds } from '#api/served-kinds.ts';
import type { AdmissionStep } from '#apiserver/admission/admit.ts';
import { objectOf, prefixOf } from '#apiserver/stored-object.ts';
import type { Store } from '#store/store.ts';

/*
 * What is used is counted from the objects themselves: there is no second record that a crash could leave wrong. What a
 * write that is not yet in the store will use is held aside until that write ends. The status of a quota, which people
 * read, is written by a controller; nothing is decided by it.
 */

interface Counted {
  readonly kind: Kind;
  readonly object: KubeObject;
  readonly usage: Amounts;
}

interface Pending extends Counted {
  /** The resourceVersion that the write is to replace; absent where it creates. */
  readonly replaces: string | undefined;
}

/** Refuses what would make a namespace use more than its quotas allow. Throws Forbidden in Kubernetes' words. */
export function resourceQuotas(store: Store, kinds: ServedKinds): AdmissionStep {
  const pending = new Set<Pending>();
  return {
    handles: (kind) => kind.scope === 'Namespaced' && kind.storedAs === undefined,
    async reserve(object, { kind, previous, subresource, isDryRun }) {
      if (subresource !== undefined) return undefined;
      const { namespace = '', name = '' } = object.metadata;
      const usage = addedUsage(kind, object, previous);
      if (usage.size === 0) return undefined;
      const all = (await store.list(prefixOf(ResourceQuota, namespace))).entries
        .map((entry) => objectOf<ResourceQuota>(entry))
        .filter((quota) => isInScope(quota, kind, object));
      if (!previous) refuseUnsaid(all, kind, object);
      const quotas = all.filter((quota) => limitedBy(quota, usage).size > 0);
      if (quotas.length === 0) return undefined;
      const objects = await listAll(store, oneVersionOf(kinds.current()), { namespace, quotas });
      // From here to the reservation nothing waits, so no other write can come between.
      const held = [...pending].filter((one) => isUnderWay(one, namespace, objects));
      for (const quota of quotas) {
        const used = usedOf(quota, [...objects, ...held]);
        const why = excess(quota, { requested: limitedBy(quota, usage), used });
        if (why !== undefined) throw forbidden(kind, name, why);
      }
      // What is only asked takes nothing from those who mean it.
      if (isDryRun) return undefined;
      const replaces = previous?.metadata.resourceVersion;
      const reservation: Pending = { kind, object, usage, replaces };
      pending.add(reservation);
      return { [Symbol.dispose]: () => void pending.delete(reservation) };
    },
  };
}

/** Whether a write held aside is not yet among the objects: between its commit and its answer it is both. */
function isUnderWay(
  { object, replaces }: Pending,
  namespace: string,
  objects: readonly Counted[],
): boolean {
  const { metadata } = object;
  if (metadata.namespace !== namespace) return false;
  const stored = objects.find((one) => one.object.metadata.uid === metadata.uid);
  return stored?.object.metadata.resourceVersion === replaces;
}

/** What the write adds to what its object uses already; what it gives back is no reason to refuse it. */
function addedUsage(kind: Kind, object: KubeObject, previous: KubeObject | undefined): Amounts {
  const after = quotaUsage(kind, object);
  if (!previous) return after;
  const before = quotaUsage(kind, previous);
  const added = [...after].map(([name, amount]): [string, Quantity] => {
    const had = before.get(name);
    return [name, had ? subtractQuantities(amount, had) : amount];
  });
  return new Map(added.filter(([, { nano }]) => nano > 0n));
}

function refuseUnsaid(quotas: readonly ResourceQuota[], kind: Kind, object: KubeObject): void {
  if (resourceOf(kind) !== 'pods') return;
  for (const quota of quotas) {
    // The kind says that it is a pod.
    const unsaid = unsaidRequests(quota, object as Pod);
    if (unsaid.length === 0) continue;
    const why = `failed quota: ${quota.metadata.name}: must specify ${unsaid.join('; ')}`;
    throw forbidden(kind, object.metadata.name ?? '', why);
  }
}

/** Every object that the quotas may count, with what it uses, as the store holds them at one moment. */
async function listAll(
  store: Store,
  kinds: readonly Kind[],
  { namespace, quotas }: { namespace: string; quotas: readonly ResourceQuota[] },
): Promise<readonly Counted[]> {
  const counting = kinds.filter((kind) => kind.scope === 'Namespaced' && isCounted(kind, quotas));
  const read = async () => {
    const at = store.revision;
    const lists = await Promise.all(
      counting.map(async (kind) => {
        const { entries } = await store.list(prefixOf(kind, namespace));
        return entries.map((entry) => ({ kind, object: objectOf(entry) }));
      }),
    );
    return { objects: lists.flat(), at };
  };
  let found = await read();
  while (found.at !== store.revision) found = await read();
  return found.objects.map(({ kind, object }) => ({
    kind,
    object,
    usage: quotaUsage(kind, object),
  }));
}

const NO_OBJECT: KubeObject = { apiVersion: '', kind: '', metadata: {} };

/** Whether any of the quotas limits what objects of the kind use. */
function isCounted(kind: Kind, quotas: readonly ResourceQuota[]): boolean {
  const resource = resourceOf(kind);
  const isRich = ['pods', 'services', 'persistentvolumeclaims'].includes(resource);
  if (isRich) return true;
  return quotas.some((quota) => limitedBy(quota, quotaUsage(kind, NO_OBJECT)).size > 0);
}

function usedOf(quota: ResourceQuota, objects: readonly Counted[]): Amounts {
  return objects
    .filter(({ kind, object }) => isInScope(quota, kind, object))
    .map(({ usage }) => limitedBy(quota, usage))
    .reduce(sum, new Map());
}

function excess(
  { metadata, spec }: ResourceQuota,
  { requested, used }: { requested: Amounts; used: Amounts },
): string | undefined {
  const hard = spec?.hard ?? {};
  const total = sum(used, requested);
  const over = [...requested.keys()]
    .filter((name) => (total.get(name)?.nano ?? 0n) > parseQuantity(hard[name] ?? 0).nano)
    .toSorted();
  if (over.length === 0) return undefined;
  const text = (amountOf: (name: string) => Quantity | undefined): string =>
    over.map((name) => `${name}=${renderQuantity(amountOf(name) ?? NOTHING)}`).join(',');
  const limited = text((name) => parseQuantity(hard[name] ?? 0));
  return `exceeded quota: ${metadata.name}, requested: ${text((name) => requested.get(name))}, used: ${text((name) => used.get(name))}, limited: ${limited}`;
}

const NOTHING = parseQuantity(0);
