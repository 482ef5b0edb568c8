import type { HttpReply } from '#base/http-message.ts';
import { apiVersionOf } from '#api/kind.ts';
import { hasReason, methodNotAllowed } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { parseDeleteOptions } from '#apiserver/delete-options.ts';
import type { Deps, ResourceRequest } from '#apiserver/resource-request.ts';
import { selectionOf } from '#apiserver/selection.ts';
import { jsonReply } from '#apiserver/status-reply.ts';
import { objectOf, prefixOf } from '#apiserver/stored-object.ts';
import { deleteObject } from '#apiserver/verbs/delete.ts';

/** DELETE …/{plural}: everything selected that is there now; what others delete meanwhile is no error. */
export async function removeCollection(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  const { kind, namespace, user } = request;
  // Nobody deletes whole namespaces, or what is in all of them, with one word.
  const isNamespaces = kind.group === '' && kind.plural === 'namespaces';
  if (isNamespaces || (kind.scope === 'Namespaced' && namespace === undefined)) {
    throw methodNotAllowed();
  }
  const options = await parseDeleteOptions(request);
  const selection = selectionOf(request);
  const { entries, at } = await deps.store.list(prefixOf(kind, namespace));
  const items: KubeObject[] = [];
  for (const entry of entries.filter((candidate) => selection.selects(candidate))) {
    const { metadata } = objectOf(entry);
    const target = { user, kind, namespace: metadata.namespace, name: metadata.name ?? '' };
    try {
      const { object } = await deleteObject(target, deps, options);
      items.push(object);
    } catch (error) {
      if (!hasReason(error, 'NotFound')) throw error;
    }
  }
  return jsonReply({
    kind: `${kind.kind}List`,
    apiVersion: apiVersionOf(kind),
    metadata: { resourceVersion: String(at) },
    items,
  });
}
