import { ApiError, isReason, type Reason } from '#api/meta/api-error.ts';
import { apiVersionOf } from '#api/kind.ts';
import type { ObjectMeta } from '#api/meta/object-meta.ts';
import type { Webhook } from '#api/admissionregistration-v1/webhook.ts';
import type { Write } from '#apiserver/webhooks/matching.ts';

interface WebhookStatus {
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
}

/** What a webhook answered to `admission.k8s.io/v1` AdmissionReview. */
export interface Verdict {
  readonly allowed: boolean;
  readonly status?: WebhookStatus;
  /** JSON Patch, decoded. */
  readonly patch?: unknown;
  readonly warnings: readonly string[];
}

/** The request of a review, which match conditions see as `request` too. */
export function reviewRequest({ object, request }: Write, uid: string): Record<string, unknown> {
  const { kind, operation, user, subresource, previous } = request;
  const metadata: ObjectMeta = (object ?? previous)?.metadata ?? {};
  const { group, version, plural } = kind;
  const gvk = { group, version, kind: kind.kind };
  const gvr = { group, version, resource: plural };
  const name = `${operation.charAt(0)}${operation.slice(1).toLowerCase()}Options`;
  return {
    uid,
    kind: gvk,
    resource: gvr,
    requestKind: gvk,
    requestResource: gvr,
    ...(subresource !== undefined && { subResource: subresource, requestSubResource: subresource }),
    ...(metadata.name !== undefined && { name: metadata.name }),
    ...(kind.scope === 'Namespaced' && { namespace: metadata.namespace }),
    operation,
    userInfo: {
      username: user.name,
      ...(user.uid !== undefined && { uid: user.uid }),
      groups: user.groups,
      ...(user.extra && { extra: user.extra }),
    },
    object: object ?? null,
    oldObject: previous ?? null,
    dryRun: request.isDryRun,
    options: {
      kind: name,
      apiVersion: 'meta.k8s.io/v1',
      ...(request.isDryRun && { dryRun: ['All'] }),
    },
  };
}

export function reviewText(request: Record<string, unknown>): string {
  return JSON.stringify({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', request });
}

/** Throws Error where the answer is no review of this request. */
export function parseVerdict(text: string, uid: string): Verdict {
  const review = fieldsOf(JSON.parse(text));
  if (review['kind'] !== 'AdmissionReview' || review['apiVersion'] !== 'admission.k8s.io/v1') {
    throw new Error(
      `expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got ${String(review['apiVersion'])}, Kind=${String(review['kind'])}`,
    );
  }
  const { response } = review;
  if (typeof response !== 'object' || response === null) {
    throw new Error('webhook response was absent');
  }
  const fields = fieldsOf(response);
  if (fields['uid'] !== uid) {
    throw new Error(`expected response.uid="${uid}", got ${JSON.stringify(fields['uid'] ?? '')}`);
  }
  const { warnings } = fields;
  const patch = patchOf(fields);
  return {
    allowed: fields['allowed'] === true,
    ...(fields['status'] !== undefined && { status: statusOf(fieldsOf(fields['status'])) }),
    ...(patch !== undefined && { patch }),
    warnings: Array.isArray(warnings) ? warnings.filter((each) => typeof each === 'string') : [],
  };
}

function patchOf({ patch, patchType }: Record<string, unknown>): unknown {
  if (typeof patch !== 'string' || patch === '') return undefined;
  if (patchType !== 'JSONPatch') {
    throw new Error(
      `webhook returned response.patchType "${String(patchType)}": "JSONPatch" was expected`,
    );
  }
  return JSON.parse(Buffer.from(patch, 'base64').toString('utf8')) as unknown;
}

function statusOf({ message, reason, code }: Record<string, unknown>): WebhookStatus {
  return {
    ...(typeof message === 'string' && { message }),
    ...(typeof reason === 'string' && { reason }),
    ...(typeof code === 'number' && { code }),
  };
}

function fieldsOf(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null) return { ...value };
  throw new Error('the answer is not a JSON object');
}

const BY_CODE: Readonly<Record<number, Reason>> = {
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'NotFound',
  409: 'Conflict',
  422: 'Invalid',
  429: 'TooManyRequests',
  500: 'InternalError',
  503: 'ServiceUnavailable',
};

/** What the client hears of a refusal, in Kubernetes' words. */
export function denied(webhook: Webhook, { status = {} }: Verdict, { request }: Write): ApiError {
  const { message, reason, code = 400 } = status;
  const why = message || reason;
  const text = `admission webhook "${webhook.name}" denied the request`;
  const kinds = request.kind;
  return new ApiError(
    isReason(reason) ? reason : (BY_CODE[code] ?? 'BadRequest'),
    why ? `${text}: ${why}` : `${text} without explanation`,
    { group: kinds.group, kind: kinds.plural },
  );
}

/** For logs: `apps/v1 deployments`. */
export function subjectOf({ request }: Write): string {
  return `${apiVersionOf(request.kind)} ${request.kind.plural}`;
}
