import type { Kind } from '#api/kind.ts';
import { Conditions, type Condition } from '#api/meta/conditions.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { isSameContent } from '#client/overlay.ts';
import { keyOf, refOf, type Context, type Key } from '#reconcile/controller.ts';
import { recordEvent } from '#reconcile/record-event.ts';
import { ToldFailure } from '#reconcile/told-failure.ts';

type WithStatus = KubeObject & { readonly status?: unknown };

/**
 * Writes `status` where it says something else than what is there. The object may have been written since it was read, by
 * its own reconcile too; what the status is about must not.
 */
export async function publishStatus(
  kind: Kind,
  { object, context, status }: { object: KubeObject; context: Context; status: unknown },
): Promise<void> {
  const previous = (object as WithStatus).status;
  if (status === undefined || isSameStatus(kind, previous, status)) return;
  const latest = await context.client.get(kind, refOf(keyOf(object)));
  const isSame =
    latest?.metadata.uid === object.metadata.uid &&
    latest?.metadata.generation === object.metadata.generation &&
    isSameContent((latest as WithStatus | undefined)?.status, previous);
  await context.client.updateStatus(kind, {
    ...(isSame && latest ? latest : object),
    status,
  } as WithStatus);
}

/** Kubernetes' own types leave out many a zero that a controller tells: none of them makes a difference. */
function isSameStatus(kind: Kind, one: unknown, other: unknown): boolean {
  if (kind.schema.$ref === undefined) return isSameContent(one, other);
  return isSameContent(withoutZeros(one), withoutZeros(other));
}

function withoutZeros(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutZeros);
  if (typeof value !== 'object' || value === null) return value;
  const told = Object.entries(value).filter(
    ([, part]) => part !== 0 && part !== '' && part !== false,
  );
  return Object.fromEntries(told.map(([name, part]) => [name, withoutZeros(part)]));
}

/** Of a kind with conditions. */
type Conditioned = KubeObject & {
  readonly status?: {
    readonly observedGeneration?: number;
    readonly conditions?: readonly Condition[];
  };
};

/**
 * Says of an object with conditions that its reconcile failed: in an Event, and, where its newest generation was never
 * observed, by a happy condition that nobody may take for news of it (serving specification §1.1).
 */
export async function publishFailure(
  kind: Kind,
  { key, context, error }: { key: Key; context: Context; error: Error },
): Promise<void> {
  if (!kind.conditions) return;
  const object: Conditioned | undefined = await context.client.get(kind, refOf(key));
  if (!object || object.metadata.deletionTimestamp !== undefined) return;
  const component = `${kind.kind.toLowerCase()}-controller`;
  if (!(error instanceof ToldFailure)) {
    const text = { type: 'Warning', reason: 'InternalError', message: error.message } as const;
    await recordEvent(context, object, { ...text, component });
  }
  const { generation } = object.metadata;
  if (object.status?.observedGeneration === generation) return;
  const now = context.clock.now();
  const conditions = new Conditions({
    set: kind.conditions,
    previous: object.status?.conditions,
    now,
  });
  conditions.markUnobserved();
  const status = {
    ...object.status,
    observedGeneration: generation,
    conditions: conditions.list(),
  };
  await publishStatus(kind, { object, context, status });
}
