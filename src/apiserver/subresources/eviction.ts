import type { HttpReply } from '#base/http-message.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { consult } from '#apiserver/admission/consult.ts';
import { decodeBody } from '#apiserver/admission/decode.ts';
import { deleteOptionsOf, type DeleteOptions } from '#apiserver/delete-options.ts';
import type { Deps, ResourceRequest } from '#apiserver/resource-request.ts';
import { jsonReply } from '#apiserver/status-reply.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import { deleteObject, refuseUnmet } from '#apiserver/verbs/delete.ts';
import { modify } from '#apiserver/verbs/modify.ts';

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
  const options = deleteOptionsOf(isAbsent ? {} : deleteOptions, request);
  if (!options.isDryRun) await markDisrupted(request, deps, options);
  await deleteObject(request, deps, options);
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

/** Says on the pod why it goes, for Jobs that do not count such an end as a failure. */
async function markDisrupted(
  request: ResourceRequest,
  deps: Deps,
  options: DeleteOptions,
): Promise<void> {
  const condition = {
    type: 'DisruptionTarget',
    status: 'True',
    reason: 'EvictionByEvictionAPI',
    message: 'Eviction API: evicting',
    lastTransitionTime: timestamp(deps.clock.now()),
  };
  // Whoever looks on has been asked of the Eviction, and is asked of the deletion.
  const unasked = { ...deps, admission: [] };
  await modify(request, unasked, {
    async change(current) {
      refuseUnmet(request.kind, current, options);
      // The kind this subresource belongs to is Pod.
      const pod = structuredClone(current) as Pod;
      const others = pod.status?.conditions?.filter(({ type }) => type !== condition.type) ?? [];
      pod.status = { ...pod.status, conditions: [...others, condition] };
      return { object: pod, errors: [] };
    },
    part: 'status',
    isDryRun: false,
  });
}
