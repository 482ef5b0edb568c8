import type { HttpReply } from '#base/http-message.ts';
import { ApiError, notFound } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { decodeBody } from '#apiserver/admission/decode.ts';
import { walkSchema } from '#apiserver/admission/schema-walk.ts';
import { isDryRun, type Deps, type ResourceRequest } from '#apiserver/resource-request.ts';
import { jsonReply } from '#apiserver/status-reply.ts';
import { keyOf, objectOf } from '#apiserver/stored-object.ts';
import { modify } from '#apiserver/verbs/modify.ts';
import { readPatch } from '#apiserver/verbs/patch.ts';

const SCHEMA = { $ref: 'io.k8s.api.autoscaling.v1.Scale' };

interface Scale {
  metadata?: { resourceVersion?: string; uid?: string; name?: string };
  spec?: { replicas?: number };
}

type Scalable = KubeObject & {
  spec?: { replicas?: number; selector?: { matchLabels?: Record<string, string> } };
  status?: { replicas?: number };
};

/** GET …/{name}/scale: the replica count alone, as `autoscaling/v1` Scale. */
export async function getScale(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  const { kind, namespace, name } = request;
  const entry = await deps.store.get(keyOf(kind, namespace, name));
  if (!entry) throw notFound(kind, name);
  return jsonReply(scaleOf(objectOf(entry)));
}

export async function updateScale(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  const { value } = await decodeBody(request.body, request.headers['content-type']);
  return changeScale(request, deps, () => value);
}

export async function patchScale(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  const patch = await readPatch(request);
  return changeScale(request, deps, (scale) => patch.to(scale));
}

async function changeScale(
  request: ResourceRequest,
  deps: Deps,
  change: (scale: unknown) => unknown,
): Promise<HttpReply> {
  const modified = await modify(request, deps, {
    async change(current: Scalable) {
      const scale = parseScale(change(scaleOf(current)));
      const object = structuredClone(current);
      object.metadata = { ...object.metadata, ...scale.precondition };
      object.spec = { ...object.spec, replicas: scale.replicas };
      return { object, errors: [] };
    },
    part: 'all but status',
    isDryRun: isDryRun(request.query),
  });
  return jsonReply(scaleOf(modified.object));
}

function parseScale(value: unknown): { replicas: number; precondition: Scale['metadata'] } {
  if (typeof value !== 'object' || value === null) {
    throw new ApiError('BadRequest', 'the body of the request is not a Scale object');
  }
  const scale: Scale & Record<string, unknown> = { ...value };
  const problem = walkSchema(SCHEMA, scale).errors[0];
  if (problem) throw new ApiError('BadRequest', `Scale: ${problem.path}: ${problem.message}`);
  const { resourceVersion, uid } = scale.metadata ?? {};
  const replicas = scale.spec?.replicas ?? 0;
  if (replicas < 0) {
    throw new ApiError(
      'Invalid',
      `spec.replicas: Invalid value: ${replicas}: must be greater than or equal to 0`,
    );
  }
  return {
    replicas,
    precondition: { ...(resourceVersion && { resourceVersion }), ...(uid && { uid }) },
  };
}

function scaleOf(object: Scalable): Record<string, unknown> {
  const { name, namespace, uid, resourceVersion, creationTimestamp } = object.metadata;
  const labels = Object.entries(object.spec?.selector?.matchLabels ?? {});
  return {
    kind: 'Scale',
    apiVersion: 'autoscaling/v1',
    metadata: { name, namespace, uid, resourceVersion, creationTimestamp },
    spec: { replicas: object.spec?.replicas ?? 0 },
    status: {
      replicas: object.status?.replicas ?? 0,
      ...(labels.length > 0 && { selector: labels.map((pair) => pair.join('=')).join(',') }),
    },
  };
}
