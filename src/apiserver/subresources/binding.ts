import { copyJson } from '#base/copy-json.ts';
import type { HttpReply } from '#base/http-message.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { ApiError, conflict } from '#api/meta/api-error.ts';
import { consult } from '#apiserver/admission/consult.ts';
import { decodeBody } from '#apiserver/admission/decode.ts';
import { walkSchema } from '#apiserver/admission/schema-walk.ts';
import { isDryRun, type Deps, type ResourceRequest } from '#apiserver/resource-request.ts';
import { jsonReply } from '#apiserver/status-reply.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import { modify } from '#apiserver/verbs/modify.ts';

const BINDING = { group: '', version: 'v1', kind: 'Binding' };
const SCHEMA = { $ref: 'io.k8s.api.core.v1.Binding' };

/** POST pods/{name}/binding: gives a pod its node, once, and says so in its PodScheduled condition. */
export async function bindPod(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  const { kind, name } = request;
  const binding = await readBinding(request);
  const node = targetOf(await consult({ kind: BINDING, value: binding }, request, deps));
  // Who was asked of the Binding is not asked of the pod as well.
  const admission = deps.admission.filter((step) => !step.consult);
  await modify(
    request,
    { ...deps, admission },
    {
      async change(current) {
        // The kind this subresource belongs to is Pod.
        const pod = copyJson(current) as Pod;
        const bound = pod.spec?.nodeName;
        if (bound) {
          throw conflict(kind, name, `pod ${name} is already assigned to node "${bound}"`);
        }
        if (!pod.spec) throw new ApiError('InternalError', `the pod ${name} has no spec`);
        pod.spec.nodeName = node;
        pod.status = {
          ...pod.status,
          conditions: scheduledConditions(pod, timestamp(deps.clock.now())),
        };
        return { object: pod, errors: [] };
      },
      part: 'everything',
      isDryRun: isDryRun(request),
    },
  );
  return jsonReply(
    { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Success', code: 201 },
    { status: 201 },
  );
}

async function readBinding({ body, headers, name, namespace }: ResourceRequest): Promise<object> {
  const { value } = await decodeBody(body, headers['content-type']);
  if (typeof value !== 'object' || value === null) {
    throw new ApiError('BadRequest', 'the body of the request is not a Binding object');
  }
  const { metadata } = value as { readonly metadata?: object };
  return {
    apiVersion: 'v1',
    kind: BINDING.kind,
    ...value,
    metadata: { ...metadata, name, namespace },
  };
}

/** The node that a Binding names. Throws BadRequest. */
function targetOf(sent: unknown): string {
  const binding: { target?: { name?: string } } & Record<string, unknown> = { ...(sent as object) };
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
