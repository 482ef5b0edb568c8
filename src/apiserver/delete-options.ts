import type { FieldError } from '#api/kind.ts';
import { ApiError, invalidOptions } from '#api/meta/api-error.ts';
import { wrongValue } from '#api/meta/field-error.ts';
import { isTrue } from '#api/meta/query-flag.ts';
import { decodeBody } from '#apiserver/admission/decode.ts';
import { quoted } from '#apiserver/admission/field-path.ts';
import { walkSchema } from '#apiserver/admission/schema-walk.ts';
import { integerOf, isDryRun, type ResourceRequest } from '#apiserver/resource-request.ts';

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number;
  /** Absent: the object's finalizers decide, and dependents go in the background. */
  readonly propagationPolicy?: 'Foreground' | 'Background' | 'Orphan';
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string };
  readonly isDryRun: boolean;
}

const SCHEMA = { $ref: 'io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions' };
const POLICIES = ['Foreground', 'Background', 'Orphan'] as const;

/** From the body where there is one, else from the query. Throws Invalid and BadRequest for what makes no sense. */
export async function parseDeleteOptions(request: ResourceRequest): Promise<DeleteOptions> {
  return deleteOptionsOf(await bodyOptions(request), request);
}

/** From a decoded body, else from the query. Throws likewise. */
export function deleteOptionsOf(value: object, request: ResourceRequest): DeleteOptions {
  const { query } = request;
  const body: Record<string, unknown> = { ...value };
  // Whoever sends another object with a deletion means something else by it.
  if (body['kind'] !== undefined && body['kind'] !== 'DeleteOptions') {
    const found = quoted(body['kind']);
    throw new ApiError('BadRequest', `the body has the kind ${found}: DeleteOptions was expected`);
  }
  const [unfit] = walkSchema(SCHEMA, body).errors;
  if (unfit) throw new ApiError('BadRequest', `DeleteOptions: ${unfit.path}: ${unfit.message}`);
  const grace = body['gracePeriodSeconds'] ?? integerOf(query, 'gracePeriodSeconds');
  const older = orphanPolicy(request, body);
  const newer = body['propagationPolicy'] ?? query.get('propagationPolicy') ?? undefined;
  const policy = newer ?? older;
  const dryRun = Array.isArray(body['dryRun']) ? body['dryRun'] : query.getAll('dryRun');
  const [problem] = policyErrors(newer, older);
  if (problem) throw invalidOptions('DeleteOptions', [problem]);
  return {
    // As Kubernetes: less than no time is a second, because none at all is a deletion that waits for nobody.
    ...(typeof grace === 'number' && { gracePeriodSeconds: grace < 0 ? 1 : grace }),
    ...(policy !== undefined && { propagationPolicy: policy as (typeof POLICIES)[number] }),
    ...preconditionsOf(body['preconditions']),
    isDryRun: isDryRun(request, dryRun),
  };
}

function policyErrors(policy: unknown, older: string | undefined): FieldError[] {
  const path = 'propagationPolicy';
  if (policy === undefined) return [];
  if (older !== undefined) {
    return [
      wrongValue(path, policy, 'orphanDependents and deletionPropagation cannot be both set'),
    ];
  }
  if (POLICIES.some((known) => known === policy)) return [];
  const supported = [...POLICIES, 'nil'].map(quoted).join(', ');
  const message = `Unsupported value: ${quoted(policy)}: supported values: ${supported}`;
  return [{ path, message, reason: 'FieldValueNotSupported' }];
}

async function bodyOptions(request: ResourceRequest): Promise<object> {
  if (request.body === undefined || request.body.length === 0) return {};
  const { value } = await decodeBody(request.body, request.headers['content-type']);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ApiError('BadRequest', 'the body of the request is not a DeleteOptions object');
  }
  return value;
}

/** The older spelling of the same wish. */
function orphanPolicy(
  request: ResourceRequest,
  body: Readonly<Record<string, unknown>>,
): 'Orphan' | 'Background' | undefined {
  const isInQuery = request.query.has('orphanDependents');
  if (!isInQuery && typeof body['orphanDependents'] !== 'boolean') return undefined;
  const isOrphan = body['orphanDependents'] ?? isTrue(request.query, 'orphanDependents');
  return isOrphan === true ? 'Orphan' : 'Background';
}

function preconditionsOf(value: unknown): Pick<DeleteOptions, 'preconditions'> {
  if (typeof value !== 'object' || value === null) return {};
  const { uid, resourceVersion } = value as Readonly<Record<string, unknown>>;
  return {
    preconditions: {
      ...(typeof uid === 'string' && { uid }),
      ...(typeof resourceVersion === 'string' && { resourceVersion }),
    },
  };
}
