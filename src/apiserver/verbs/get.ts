import type { HttpReply } from '#base/http-message.ts';
import { notFound } from '#api/meta/api-error.ts';
import { entryReply } from '#apiserver/object-reply.ts';
import type { Deps, ResourceRequest } from '#apiserver/resource-request.ts';
import { refuseFuture, revisionOf } from '#apiserver/resource-version.ts';
import { keyOf } from '#apiserver/stored-object.ts';

/** GET /apis/{group}/{version}/namespaces/{namespace}/{plural}/{name}, also of its status. */
export async function get(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  const { kind, namespace, name, query } = request;
  const atLeast = revisionOf(query);
  if (atLeast !== undefined) refuseFuture(atLeast, deps.store.revision);
  const entry = await deps.store.get(keyOf(kind, namespace, name));
  if (!entry) throw notFound(kind, name);
  return entryReply(request, entry, { clock: deps.clock });
}
