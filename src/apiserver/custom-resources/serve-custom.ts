import type { HttpReply } from '#base/http-message.ts';
import { convertedStore } from '#apiserver/custom-resources/converted-store.ts';
import type { Deps, ResourceRequest, Verb } from '#apiserver/resource-request.ts';

/** Runs `verb`; for a custom resource in its version. */
export async function serveCustom(
  request: ResourceRequest,
  deps: Deps,
  verb: Verb,
): Promise<HttpReply> {
  const { kind } = request;
  if (!kind.custom) return verb(request, deps);
  return verb(request, { ...deps, store: convertedStore(deps.store, kind, deps.convert) });
}
