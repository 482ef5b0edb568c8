import type { HttpReply } from '#base/http-message.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { ApiError, conflict } from '#api/meta/api-error.ts';
import { decodeBody } from '#apiserver/admission/decode.ts';
import { walkSchema } from '#apiserver/admission/schema-walk.ts';
import { isDryRun, type Deps, type ResourceRequest } from '#apiserver/resource-request.ts';
import { jsonReply } from '#apiserver/status-reply.ts';
import { timestamp } from '#apiserver/timestamp.ts';
import { modify } from '#apiserver/verbs/modify.ts';

const SCHEMA = { $ref: 'io.k8s.api.core.v1.Binding' };

/** POST pods/{name}/binding: gives a pod its node, once, and says so in its PodScheduled condition. */
export async function bindPod(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  const { kind, name } = request;
  const node = await readTarget(request);
  await modify(request, deps, {
    async change(current) {
      // The kind this subresource belongs to is Pod.
      const pod = structuredClone(current) as Pod;
      const bound = pod.spec?.nodeName;
      if (bound) {
        throw conflict(kind, name, `pod ${name} is already assigned to node "${bound}"`);
      }
      if (!pod.spec) throw new ApiError('InternalError', `the pod ${name} has no spec`);
      pod.spec.nodeName = node;
      pod.status = { ...pod.status, conditions: scheduledConditions(pod, timestamp(deps.clock)) };
      return { object: pod, errors: [] };
    },
    part: 'everything',
    isDryRun: isDryRun(request),
  });
  return jsonReply(
    { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 },
    { status: 201 },
  );
}

async function readTarget(request: ResourceRequest): Promise<string> {
  const { value } = await decodeBody(request.body, request.headers['content-type']);
  if (typeof value !== 'object' || value === null) {
    throw new ApiError('BadRequest', 'the body of the request is not a Binding object');
  }
  const binding: { target?: { name?: string } } & Record<string, unknown> = { ...value };
  const problem = walkSchema(SCHEMA, binding).errors[0];
  if (problem) throw new ApiError('BadRequest', `Binding: ${problem.path}: ${problem.message}`);
  if (!binding.target?.name)
    throw new ApiError('BadRequest', 'Binding: target.name: Required value');
  return binding.target.name;
}

type Conditions = NonNullable<NonNullable<Pod['status']>['conditions']>;

function scheduledConditions(pod: Pod, at: string): Conditions {
  const others = pod.status?.conditions?.filter(({ type }) => type !== 'PodScheduled') ?? [];
  return [...others, { type: 'PodScheduled', status: 'True', lastTransitionTime: at }];
}
