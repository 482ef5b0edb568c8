import type { HttpReply } from '#base/http-message.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { convertedStore } from '#apiserver/custom-resources/converted-store.ts';
import type { Deps, ResourceRequest, Verb } from '#apiserver/resource-request.ts';
import { withWarnings } from '#apiserver/status-reply.ts';

/** Runs `verb`; for a custom resource as its definition wants it: in its version, and with its warning. */
export async function serveCustom(
  request: ResourceRequest,
  deps: Deps,
  verb: Verb,
): Promise<HttpReply> {
  const { kind, method } = request;
  const { custom } = kind;
  if (!custom) return verb(request, deps);
  if (custom.isTerminating && method === 'POST') {
    throw new ApiError(
      'MethodNotAllowed',
      'create not allowed while custom resource definition is terminating',
    );
  }
  const reply = await verb(request, {
    ...deps,
    store: convertedStore(deps.store, kind, deps.convert),
  });
  if (custom.deprecation === undefined) return reply;
  return withWarnings(reply, [custom.deprecation]);
}
