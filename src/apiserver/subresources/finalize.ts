import type { HttpReply } from '#base/http-message.ts';
import { admitFields } from '#apiserver/admission/admit.ts';
import { decodeBody } from '#apiserver/admission/decode.ts';
import { objectReply } from '#apiserver/object-reply.ts';
import {
  fieldValidationOf,
  isDryRun,
  type Deps,
  type ResourceRequest,
} from '#apiserver/resource-request.ts';
import { modify } from '#apiserver/verbs/modify.ts';

/** PUT namespaces/{name}/finalize: replaces `spec.finalizers`; the namespace goes with the last one when it is deleted. */
export async function finalizeNamespace(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  const decoded = await decodeBody(request.body, request.headers['content-type']);
  const { object, errors } = admitFields(request.kind, decoded.value, {
    duplicates: decoded.duplicates,
    fieldValidation: fieldValidationOf(request),
  });
  const { metadata } = object;
  const { spec } = object as { spec?: unknown };
  const modified = await modify(request, deps, {
    async change(current) {
      const changed = { ...structuredClone(current), spec: spec ?? {} };
      changed.metadata = {
        ...changed.metadata,
        ...(metadata.uid !== undefined && { uid: metadata.uid }),
        ...(metadata.resourceVersion !== undefined && {
          resourceVersion: metadata.resourceVersion,
        }),
      };
      return { object: changed, errors };
    },
    part: 'all but status',
    isDryRun: isDryRun(request),
  });
  return objectReply(request, modified.object, { clock: deps.clock });
}
