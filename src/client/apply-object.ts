import type { Kind } from '#api/kind.ts';
import { hasReason } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import type { Client, Ref } from '#client/client.ts';
import { overlayObject } from '#client/overlay.ts';

/** Each attempt reads anew, so that more than a few mean that two writers fight over the object. */
const ATTEMPTS_MAX = 5;

export type Reader = <T extends KubeObject>(kind: Kind<T>, ref: Ref) => Promise<T | undefined>;

/**
 * Client.apply over `client`. The first attempt reads with `read`, which may be a cache; after a conflict the object is
 * read from the server. A resourceVersion in `desired` is a precondition: its Conflict goes to the caller.
 */
export async function applyObject<T extends KubeObject>(
  client: Pick<Client, 'get' | 'create' | 'update'>,
  { kind, desired, read }: { kind: Kind<T>; desired: T; read?: Reader },
): Promise<T> {
  const { name = '', namespace, resourceVersion } = desired.metadata;
  const ref: Ref = namespace === undefined ? { name } : { namespace, name };
  for (let attempt = 1; ; attempt += 1) {
    const current = attempt === 1 && read ? await read(kind, ref) : await client.get(kind, ref);
    try {
      if (!current) return await client.create(kind, { ...desired, status: undefined });
      const next = overlayObject(current, desired);
      if (next === current) return current;
      return await client.update(kind, resourceVersion ? pinned(next, resourceVersion) : next);
    } catch (error) {
      if (!isOutrun(error, current) || resourceVersion || attempt >= ATTEMPTS_MAX) throw error;
    }
  }
}

/** Whether somebody was faster: changed, deleted or created the object between our read and our write. */
function isOutrun(error: unknown, current: KubeObject | undefined): boolean {
  if (!current) return hasReason(error, 'AlreadyExists');
  return hasReason(error, 'Conflict') || hasReason(error, 'NotFound');
}

function pinned<T extends KubeObject>(object: T, resourceVersion: string): T {
  return { ...object, metadata: { ...object.metadata, resourceVersion } };
}
