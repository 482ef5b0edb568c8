import { createPatch } from 'rfc6902';
import type { ConfigMap } from '#api/core-v1/config-map.ts';
import type { Pod } from '#api/core-v1/pod.ts';
import { apiVersionOf, type AdmissionContext, type Kind } from '#api/kind.ts';
import { ApiError, refusalText } from '#api/meta/api-error.ts';
import { kindErrors } from '#api/kind-errors.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import {
  configMapComplaint,
  configMapWarnings,
  type ServingSettings,
} from '#api/serving-config/config-maps.ts';
import type { Service } from '#api/serving-v1/service.ts';
import type { ReviewMeter } from '#webhook/review-meter.ts';
import { hasTemplate, trialComplaint, trialPod } from '#api/serving-v1/template-trial.ts';

/**
 * What is asked of an object: to fill in what its author left out, or to say what is wrong with it; of a ConfigMap, whether
 * it can be read.
 */
export type Step = 'defaulting' | 'validation' | 'config';

/** What the API server reads of an answer (`admission.k8s.io/v1` AdmissionResponse). */
interface AdmissionResponse {
  readonly uid: string;
  readonly allowed: boolean;
  readonly patchType?: 'JSONPatch';
  /** In base64. */
  readonly patch?: string;
  readonly warnings?: readonly string[];
  readonly status?: {
    readonly code: number;
    readonly reason: string;
    readonly message: string;
  };
}

interface ReviewRequest {
  readonly uid: string;
  readonly kind: Pick<Kind, 'group' | 'version' | 'kind'>;
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  readonly subResource?: string;
  readonly dryRun?: boolean;
  readonly userInfo?: { readonly username?: string };
  readonly object?: KubeObject | null;
  readonly oldObject?: KubeObject | null;
}

/** A body that is no AdmissionReview of a kind known here; the message says what it is. */
export class NotReviewed extends Error {
  override readonly name = 'NotReviewed';
}

export interface Known {
  readonly kinds: readonly Kind[];
  readonly serving: ServingSettings;
  /** Creates a pod by dry run. Throws ApiError in the server's words. */
  readonly tryPod: (pod: Pod) => Promise<unknown>;
  /** Times reviews; nobody does where absent. */
  readonly meter?: ReviewMeter | undefined;
}

const CONFIG_REVIEW = {
  type: 'validation',
  kind: { group: '', version: 'v1', kind: 'ConfigMap' },
  subresource: '',
};

/** The answer to an AdmissionReview, as JSON, by the kind's own file. Throws NotReviewed. */
export async function answerReview(body: string, step: Step, known: Known): Promise<string> {
  const request = requestOf(body);
  const reviewed = known.meter?.begin();
  const response = step === 'config' ? configResponse(request) : await ofKind(request, step, known);
  const { kind, operation, subResource: subresource = '' } = request;
  const isAllowed = response.allowed;
  // Of ConfigMaps nobody has looked at what the request calls itself.
  if (step === 'config') reviewed?.({ ...CONFIG_REVIEW, operation, isAllowed });
  else reviewed?.({ type: step, kind, subresource, operation, isAllowed });
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response });
}

async function ofKind(
  request: ReviewRequest,
  step: Step,
  { kinds, serving, tryPod }: Known,
): Promise<AdmissionResponse> {
  const kind = kindOf(request, kinds);
  const response = responseTo(request, step, { kind, serving });
  const { object, dryRun: isDryRun = false, subResource = '', uid } = request;
  const isTried = isDryRun && step === 'validation' && subResource === '' && hasTemplate(kind);
  // A kind with a template has a spec, which a Service's has all of.
  const pod = isTried && response.allowed && object ? trialPod(object as Service) : undefined;
  if (!pod) return response;
  try {
    await tryPod(pod);
    return response;
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const message = trialComplaint(error);
    if (message === undefined) return response;
    return { uid, allowed: false, status: { code: 400, reason: 'BadRequest', message } };
  }
}

/** The names of the ConfigMaps are known, and each has a parser of its own. */
function configResponse({ uid, object }: ReviewRequest): AdmissionResponse {
  // An API server that was told to asks here about ConfigMaps alone.
  const { metadata, data } = (object ?? { metadata: {} }) as Pick<ConfigMap, 'metadata' | 'data'>;
  const written = { metadata: metadata ?? {}, ...(data && { data }) };
  const complaint = object ? configMapComplaint(written) : undefined;
  if (complaint === undefined) {
    const warnings = object ? configMapWarnings(written) : [];
    return { uid, allowed: true, ...(warnings.length > 0 && { warnings: [...warnings] }) };
  }
  const message = `validation failed: ${complaint}`;
  return { uid, allowed: false, status: { code: 400, reason: 'BadRequest', message } };
}

function responseTo(
  request: ReviewRequest,
  step: Step,
  { kind, serving }: { readonly kind: Kind; readonly serving: ServingSettings },
): AdmissionResponse {
  const { uid, object, oldObject, operation, subResource } = request;
  if (!object || (operation !== 'CREATE' && operation !== 'UPDATE')) return { uid, allowed: true };
  const context: AdmissionContext<KubeObject> = {
    operation,
    serving,
    username: request.userInfo?.username ?? '',
    ...(oldObject && { previous: oldObject }),
    ...(subResource && { subresource: subResource }),
  };
  return step === 'defaulting'
    ? { uid, allowed: true, ...defaulted(kind, object, context) }
    : { uid, ...judged(kind, object, context) };
}

function defaulted(
  kind: Kind,
  object: KubeObject,
  context: AdmissionContext<KubeObject>,
): Pick<AdmissionResponse, 'patch' | 'patchType'> {
  const changed = structuredClone(object);
  kind.default?.(changed, context);
  const operations = createPatch(object, changed);
  if (operations.length === 0) return {};
  const patch = Buffer.from(JSON.stringify(operations)).toString('base64');
  return { patchType: 'JSONPatch', patch };
}

function judged(
  kind: Kind,
  object: KubeObject,
  context: AdmissionContext<KubeObject>,
): Pick<AdmissionResponse, 'allowed' | 'status' | 'warnings'> {
  const errors = kindErrors(kind, object, context);
  const warnings = kind.warnings?.(object, context) ?? [];
  return {
    allowed: errors.length === 0,
    ...(warnings.length > 0 && { warnings }),
    ...(errors.length > 0 && {
      status: { code: 400, reason: 'BadRequest', message: refusalText(errors) },
    }),
  };
}

function requestOf(body: string): ReviewRequest {
  let review: { readonly kind?: unknown; readonly request?: Partial<ReviewRequest> } | null;
  try {
    review = JSON.parse(body) as typeof review;
  } catch (error) {
    throw new NotReviewed('The body is not JSON', { cause: error });
  }
  const request = review?.request;
  if (review?.kind !== 'AdmissionReview' || !request?.uid || !request.kind || !request.operation) {
    throw new NotReviewed('The body is no AdmissionReview with a request');
  }
  const { uid, kind, operation } = request;
  return { ...request, uid, kind, operation };
}

function kindOf({ kind }: ReviewRequest, kinds: readonly Kind[]): Kind {
  const found = kinds.find(
    (each) => each.group === kind.group && each.version === kind.version && each.kind === kind.kind,
  );
  if (found) return found;
  throw new NotReviewed(`Nothing is known here of ${apiVersionOf(kind)} ${kind.kind}`);
}
