import type { HttpReply } from '#base/http-message.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { consult } from '#apiserver/admission/consult.ts';
import { decodeBody } from '#apiserver/admission/decode.ts';
import { deleteOptionsOf } from '#apiserver/delete-options.ts';
import type { Deps, ResourceRequest } from '#apiserver/resource-request.ts';
import { jsonReply } from '#apiserver/status-reply.ts';
import { deleteObject } from '#apiserver/verbs/delete.ts';

const EVICTION = { group: 'policy', version: 'v1', kind: 'Eviction' };

interface Eviction {
  readonly metadata?: Readonly<Record<string, unknown>> | null;
  readonly deleteOptions?: unknown;
}

/** POST pods/{name}/eviction (`kubectl drain`): a delete that says why, for who may not delete pods otherwise. */
export async function evictPod(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  const value = await readEviction(request);
  const { deleteOptions } = (await consult({ kind: EVICTION, value }, request, deps)) as Eviction;
  const isAbsent = typeof deleteOptions !== 'object' || deleteOptions === null;
  await deleteObject(request, deps, deleteOptionsOf(isAbsent ? {} : deleteOptions, request));
  return jsonReply(
    { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 },
    { status: 201 },
  );
}

async function readEviction({
  body,
  headers,
  name,
  namespace,
}: ResourceRequest): Promise<Eviction> {
  const { value } = await decodeBody(body, headers['content-type']);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ApiError('BadRequest', 'the body of the request is not an Eviction object');
  }
  const { metadata, ...rest } = value as Eviction;
  if (metadata?.['name'] !== undefined && metadata['name'] !== name) {
    const found = JSON.stringify(metadata['name']);
    throw new ApiError(
      'BadRequest',
      `name in URL does not match name in Eviction object: ${found}`,
    );
  }
  const typed = { apiVersion: 'policy/v1', kind: EVICTION.kind };
  return { ...typed, ...rest, metadata: { ...metadata, name, namespace } };
}
