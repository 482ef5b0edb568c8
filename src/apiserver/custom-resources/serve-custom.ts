import type { HttpReply } from '#base/http-message.ts';
import { convertedStore } from '#apiserver/custom-resources/converted-store.ts';
import type { Deps, ResourceRequest, Verb } from '#apiserver/resource-request.ts';
import { withWarnings } from '#apiserver/status-reply.ts';

/** Runs `verb`; for a custom resource as its definition wants it: in its version, and with its warning. */
export async function serveCustom(
  request: ResourceRequest,
  deps: Deps,
  verb: Verb,
): Promise<HttpReply> {
  const { kind } = request;
  const { custom } = kind;
  if (!custom) return verb(request, deps);
  const reply = await verb(request, {
    ...deps,
    store: convertedStore(deps.store, kind, deps.convert),
  });
  if (custom.deprecation === undefined) return reply;
  return withWarnings(reply, [custom.deprecation]);
}
