import { Event } from '#api/core-v1/event.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import { resourceOf, type Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { oneVersionOf, type ServedKinds } from '#api/served-kinds.ts';
import {
  terminatingConditions,
  type Remaining,
} from '#controllers/core/namespace/terminating-conditions.ts';
import {
  defineController,
  on,
  type Context,
  type Controller,
  type Key,
  type Known,
} from '#reconcile/controller.ts';

/** The server put it into every namespace's spec; it waits for this controller to take it out. */
const FINALIZER = 'kubernetes';
/** When a namespace that still holds something is looked at again without a change that is seen. */
const LOOK_AGAIN_MS = 2_000;

/**
 * Ends a namespace whose deletion is asked for: deletes what is in it, of every namespaced kind there is then, waits until it
 * is gone, finalizers and graces included, and then lets the namespace go. The server lets nothing new in meanwhile.
 */
export function namespaceController(kinds: ServedKinds): Controller<Namespace> {
  // Events go with the namespace too, but there are many, and none is ever waited for.
  const watched = contentsOf(kinds).filter(
    ({ kind, group }) => kind !== Event.kind || group !== Event.group,
  );
  return defineController<Namespace>({
    kind: Namespace,
    watches: watched.map((kind) => on(kind, terminatingNamespace)),
    reconcilesDeleting: true,
    async reconcile(namespace, context) {
      const { metadata, spec, status } = namespace;
      if (metadata.deletionTimestamp === undefined) return {};
      if (!spec?.finalizers?.includes(FINALIZER)) return {};
      const { name = '' } = metadata;
      const remaining: Remaining[] = [];
      for (const kind of contentsOf(kinds))
        remaining.push(...(await empty(kind, { name, context })));
      if (remaining.length === 0) {
        await letGo(namespace, context);
        return {};
      }
      const conditions = terminatingConditions(status?.conditions ?? [], {
        remaining,
        now: context.clock.now(),
      });
      return {
        status: { ...status, phase: 'Terminating', conditions },
        // Kinds that came later are not watched here.
        ...(kinds.current().some(({ custom }) => custom) && { againAfterMs: LOOK_AGAIN_MS }),
      };
    },
  });
}

function contentsOf(kinds: ServedKinds): readonly Kind[] {
  return oneVersionOf(kinds.current()).filter(({ scope }) => scope === 'Namespaced');
}

/** An object that changes or goes matters only while its namespace goes. */
function terminatingNamespace({ metadata }: KubeObject, known: Known): readonly Key[] {
  const { namespace: name = '' } = metadata;
  const namespace = known.get(Namespace, { name });
  return namespace?.metadata.deletionTimestamp === undefined ? [] : [{ namespace: '', name }];
}

/** Asks for the deletion of all there is, and says what stays for now. Reads the server: memory may miss the newest. */
async function empty(
  kind: Kind,
  { name: namespace, context }: { name: string; context: Context },
): Promise<readonly Remaining[]> {
  const { items } = await context.live.list(kind, { namespace });
  for (const { metadata } of items) {
    if (metadata.deletionTimestamp !== undefined) continue;
    const { name = '', uid = '' } = metadata;
    const options = { propagationPolicy: 'Background', preconditions: { uid } } as const;
    await context.client.delete(kind, { namespace, name }, options);
  }
  if (items.length === 0) return [];
  const after = await context.live.list(kind, { namespace });
  if (after.items.length === 0) return [];
  const finalizers = after.items.flatMap(({ metadata }) => metadata.finalizers ?? []);
  return [{ resource: resourceOf(kind), count: after.items.length, finalizers }];
}

async function letGo(namespace: Namespace, { client }: Context): Promise<void> {
  const { name = '' } = namespace.metadata;
  const finalizers = namespace.spec?.finalizers?.filter((one) => one !== FINALIZER) ?? [];
  const freed = { ...namespace, spec: { ...namespace.spec, finalizers } };
  await client.updateSubresource(Namespace, { name, subresource: 'finalize' }, freed);
}
