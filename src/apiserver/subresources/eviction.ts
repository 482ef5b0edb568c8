import type { HttpReply } from '#base/http-message.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { decodeBody } from '#apiserver/admission/decode.ts';
import { deleteOptionsOf, type DeleteOptions } from '#apiserver/delete-options.ts';
import type { Deps, ResourceRequest } from '#apiserver/resource-request.ts';
import { jsonReply } from '#apiserver/status-reply.ts';
import { deleteObject } from '#apiserver/verbs/delete.ts';

/** POST pods/{name}/eviction (`kubectl drain`): a delete that says why, for who may not delete pods otherwise. */
export async function evictPod(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  await deleteObject(request, deps, await readEviction(request));
  return jsonReply(
    { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 },
    { status: 201 },
  );
}

async function readEviction(request: ResourceRequest): Promise<DeleteOptions> {
  const { value } = await decodeBody(request.body, request.headers['content-type']);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ApiError('BadRequest', 'the body of the request is not an Eviction object');
  }
  const { metadata, deleteOptions } = value as {
    readonly metadata?: { readonly name?: unknown } | null;
    readonly deleteOptions?: unknown;
  };
  if (metadata?.name !== undefined && metadata.name !== request.name) {
    const found = JSON.stringify(metadata.name);
    throw new ApiError(
      'BadRequest',
      `name in URL does not match name in Eviction object: ${found}`,
    );
  }
  const isAbsent = typeof deleteOptions !== 'object' || deleteOptions === null;
  return deleteOptionsOf(isAbsent ? {} : deleteOptions, request);
}
