import { ApiError, isReason, type StatusDetails } from '#api/meta/api-error.ts';
import { apiVersionOf } from '#api/kind.ts';
import type { KubeObject, ObjectMeta } from '#api/meta/object-meta.ts';
import type { Webhook } from '#api/admissionregistration-v1/webhook.ts';
import type { Write } from '#apiserver/webhooks/matching.ts';

interface WebhookStatus {
  readonly message?: string;
  readonly reason?: string;
  readonly code?: number;
  readonly details?: StatusDetails;
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
export function reviewRequest(
  { object, request, written = request.kind }: Write,
  uid: string,
): Record<string, unknown> {
  const { kind, operation, user, subresource, previous, view } = request;
  const metadata: ObjectMeta = (object ?? previous)?.metadata ?? {};
  const { group, version, plural } = kind;
  const gvk = view ? view.kind : { group, version, kind: kind.kind };
  const shown = (each: KubeObject | undefined): KubeObject | null =>
    each && view ? view.of(each) : (each ?? null);
  const gvr = { group, version, resource: plural };
  return {
    uid,
    kind: gvk,
    resource: gvr,
    requestKind: view
      ? gvk
      : { group: written.group, version: written.version, kind: written.kind },
    requestResource: { group: written.group, version: written.version, resource: written.plural },
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
    object: shown(object),
    oldObject: shown(previous),
    dryRun: request.isDryRun,
    options: optionsOf(request),
  };
}

/** Whoever connects has none beside what is the object. */
function optionsOf({ operation, options, isDryRun }: Write['request']): object | null {
  if (operation === 'CONNECT') return null;
  return {
    kind: `${operation.charAt(0)}${operation.slice(1).toLowerCase()}Options`,
    apiVersion: 'meta.k8s.io/v1',
    ...options,
    ...(isDryRun && { dryRun: ['All'] }),
  };
}

export function reviewText(request: Record<string, unknown>): string {
  return JSON.stringify({ kind: 'AdmissionReview', apiVersion: 'admission.k8s.io/v1', request });
}

/** Throws Error where the answer is no review of this request. */
export function parseVerdict(
  text: string,
  { uid, mayPatch }: { readonly uid: string; readonly mayPatch: boolean },
): Verdict {
  const review = fieldsOf(JSON.parse(text));
  const { response, apiVersion, kind } = review;
  if (typeof response !== 'object' || response === null) throw unfit('webhook response was absent');
  if (kind !== 'AdmissionReview' || apiVersion !== 'admission.k8s.io/v1') {
    throw unfit(
      `expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got ${String(apiVersion)}, Kind=${String(kind)}`,
    );
  }
  const fields = fieldsOf(response);
  if (fields['uid'] !== uid) {
    throw unfit(`expected response.uid="${uid}", got ${JSON.stringify(fields['uid'] ?? '')}`);
  }
  const { warnings } = fields;
  const patch = patchOf(fields, { mayPatch });
  return {
    allowed: fields['allowed'] === true,
    ...(fields['status'] !== undefined && { status: statusOf(fieldsOf(fields['status'])) }),
    ...(patch !== undefined && { patch }),
    warnings: Array.isArray(warnings) ? warnings.filter((each) => typeof each === 'string') : [],
  };
}

function patchOf(
  { patch = '', patchType = '' }: Record<string, unknown>,
  { mayPatch }: { readonly mayPatch: boolean },
): unknown {
  for (const [field, value] of Object.entries({ patch, patchType })) {
    if (!mayPatch && value !== '')
      throw unfit(`validating webhook may not return response.${field}`);
  }
  if (patch === '' && patchType === '') return undefined;
  if (patch === '') throw unfit('webhook returned response.patchType but not response.patch');
  if (patchType === '') throw unfit('webhook returned response.patch but not response.patchType');
  if (typeof patch !== 'string' || patchType !== 'JSONPatch') {
    throw unfit(`webhook returned invalid response.patchType of ${JSON.stringify(patchType)}`);
  }
  return JSON.parse(Buffer.from(patch, 'base64').toString('utf8')) as unknown;
}

function unfit(why: string): Error {
  return new Error(`received invalid webhook response: ${why}`);
}

function statusOf({ message, reason, code, details }: Record<string, unknown>): WebhookStatus {
  return {
    ...(typeof message === 'string' && { message }),
    ...(typeof reason === 'string' && { reason }),
    ...(typeof code === 'number' && { code }),
    ...(typeof details === 'object' &&
      details !== null && { details: detailsOf(fieldsOf(details)) }),
  };
}

const DETAILS = ['name', 'group', 'kind', 'uid'] as const;

function detailsOf(fields: Record<string, unknown>): StatusDetails {
  const { causes, retryAfterSeconds } = fields;
  const texts = DETAILS.map((field) => [field, fields[field]]);
  return {
    ...Object.fromEntries(texts.filter(([, value]) => typeof value === 'string')),
    ...(typeof retryAfterSeconds === 'number' && { retryAfterSeconds }),
    ...(Array.isArray(causes) && { causes: causes.map((cause) => causeOf(fieldsOf(cause))) }),
  };
}

function causeOf({ field, message, reason }: Record<string, unknown>) {
  return {
    message: typeof message === 'string' ? message : '',
    ...(typeof field === 'string' && { path: field }),
    ...(typeof reason === 'string' && { reason }),
  };
}

function fieldsOf(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null) return { ...value };
  throw new Error('the answer is not a JSON object');
}

/** What the client hears of a refusal, in Kubernetes' words; the code and the reason are the webhook's own. */
export function denied(webhook: Webhook, { status = {} }: Verdict): ApiError {
  const { message, reason = '', code = 0, details } = status;
  const why = message || reason;
  const text = `admission webhook "${webhook.name}" denied the request`;
  return new ApiError(
    isReason(reason) ? reason : 'BadRequest',
    why ? `${text}: ${why}` : `${text} without explanation`,
    details,
    { code: isRefusal(code) ? code : 400, ...(reason && { reason }) },
  );
}

/** Of HTTP; a refusal that says of itself that it is none is a bad request. */
function isRefusal(code: number): boolean {
  return Number.isInteger(code) && code >= 400 && code < 600;
}

/** For logs: `apps/v1 deployments`. */
export function subjectOf({ request }: Write): string {
  return `${apiVersionOf(request.kind)} ${request.kind.plural}`;
}
