import type { Kind } from '#api/kind.ts';
import { parseLabelSelector } from '#api/meta/selector.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { applyObject } from '#client/apply-object.ts';
import type { Client, ListSelection, ObjectList, Ref } from '#client/client.ts';
import type { Informer } from '#client/informer.ts';
import type { Informers } from '#client/informers.ts';
import { OwnWrites } from '#client/own-writes.ts';

/**
 * A client that reads from memory the kinds that `informers` run, and everything else (and what memory cannot select: by
 * fields) from the server. A read waits until memory shows what this client wrote before, for 5 s at most, after which
 * the server is asked. Others' writes show when the watch brings them.
 */
export function createCachedClient(client: Client, informers: Informers): Client {
  const writes = new OwnWrites();

  async function get<T extends KubeObject>(kind: Kind<T>, ref: Ref): Promise<T | undefined> {
    const informer = informers.running(kind);
    if (!informer || !(await writes.areSeenBy(informer))) return client.get(kind, ref);
    return informer.get(ref);
  }

  async function list<T extends KubeObject>(
    kind: Kind<T>,
    selection: ListSelection = {},
  ): Promise<ObjectList<T>> {
    const informer = selection.fieldSelector === undefined ? informers.running(kind) : undefined;
    if (!informer || !(await writes.areSeenBy(informer))) return client.list(kind, selection);
    return listFrom(informer, selection);
  }

  async function written<T extends KubeObject>(kind: Kind<T>, write: Promise<T>): Promise<T> {
    const object = await write;
    const informer = informers.running(kind);
    if (informer) writes.wrote(informer, object);
    return object;
  }

  const cached: Client = {
    ...client,
    get,
    list,
    create: (kind, object, options) =>
      options?.dryRun
        ? client.create(kind, object, options)
        : written(kind, client.create(kind, object)),
    update: (kind, object) => written(kind, client.update(kind, object)),
    updateStatus: (kind, object) => written(kind, client.updateStatus(kind, object)),
    // A patch of a subresource may answer with another kind; its effect shows when the watch brings it.
    patch: (kind, ref, patch, options) =>
      options.subresource === undefined || options.subresource === 'status'
        ? written(kind, client.patch(kind, ref, patch, options))
        : client.patch(kind, ref, patch, options),
    apply: (kind, desired) =>
      applyObject(
        { ...cached, get: (of, ref) => client.get(of, ref) },
        { kind, desired, read: get },
      ),
    async delete(kind, ref, options) {
      const informer = informers.running(kind);
      // Which object it is must be known, so that its successor of the same name is not waited for.
      const known = informer && (await get(kind, ref));
      await client.delete(kind, ref, options);
      if (informer && known) writes.deleted(informer, known);
    },
  };
  return cached;
}

function listFrom<T extends KubeObject>(
  informer: Informer<T>,
  { namespace, labelSelector, ownedBy }: ListSelection,
): ObjectList<T> {
  const inNamespace = (object: T): boolean =>
    namespace === undefined || object.metadata.namespace === namespace;
  const objects =
    ownedBy === undefined
      ? informer.list(namespace)
      : informer.ownedBy(ownedBy).filter((object) => inNamespace(object));
  const matches = labelSelector === undefined ? undefined : parseLabelSelector(labelSelector);
  const items = matches ? objects.filter((object) => matches(object.metadata.labels)) : objects;
  return { items, resourceVersion: informer.resourceVersion ?? '' };
}
