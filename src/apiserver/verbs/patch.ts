import type { HttpReply } from '#base/http-message.ts';
import type { FieldError } from '#api/kind.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { wrongValue } from '#api/meta/field-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { admitFields } from '#apiserver/admission/admit.ts';
import { decodeBody, type Decoded } from '#apiserver/admission/decode.ts';
import { partOf } from '#apiserver/apply/owned-part.ts';
import { entryReply, objectReply } from '#apiserver/object-reply.ts';
import { applyJsonPatch } from '#apiserver/patch/json-patch.ts';
import { applyMergePatch } from '#apiserver/patch/merge-patch.ts';
import { applyStrategicMergePatch } from '#apiserver/patch/strategic-merge-patch.ts';
import {
  fieldValidationOf,
  isDryRun,
  type Deps,
  type ResourceRequest,
} from '#apiserver/resource-request.ts';
import { apply, isApplyPatch, refuseForce } from '#apiserver/verbs/apply.ts';
import { modify } from '#apiserver/verbs/modify.ts';

/** PATCH …/{plural}/{name} and its status: JSON Patch, merge patch, strategic merge patch and apply. */
export async function patch(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  if (isApplyPatch(request)) return apply(request, deps);
  refuseForce(request);
  const change = await readPatch(request);
  let warnings: readonly string[] = [];
  const modified = await modify(request, deps, {
    async change(current: KubeObject) {
      const fields = admitFields(request.kind, change.to(current), {
        duplicates: change.duplicates,
        fieldValidation: fieldValidationOf(request),
      });
      ({ warnings } = fields);
      const errors = [...fields.errors, ...uidErrors(current, fields.object)];
      delete fields.object.metadata.uid;
      return { ...fields, errors };
    },
    part: partOf(request),
    isDryRun: isDryRun(request),
  });
  const options = { warnings, clock: deps.clock };
  return modified.entry
    ? entryReply(request, modified.entry, options)
    : objectReply(request, modified.object, options);
}

export interface ReadPatch {
  /** A new value; the object given stays as it is. */
  to(object: unknown): unknown;
  readonly duplicates: readonly string[];
}

/** The patch in a request's body, by its content type. Throws UnsupportedMediaType for one this kind does not take. */
export async function readPatch(request: ResourceRequest): Promise<ReadPatch> {
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
  const { schema } = request.kind;
  const read = (): Promise<Decoded> => decodeBody(request.body, 'application/json');
  switch (type) {
    case 'application/json-patch+json': {
      const { value } = await read();
      return { to: (object) => applyJsonPatch(object, value), duplicates: [] };
    }
    case 'application/merge-patch+json': {
      const { value, duplicates } = await read();
      refuseNonObject(value);
      return { to: (object) => applyMergePatch(object, value), duplicates };
    }
    case 'application/strategic-merge-patch+json': {
      // Like a custom resource's, the schemas of our own kinds do not say how their lists merge.
      if (!schema.$ref) throw unsupported(request);
      const { value, duplicates } = await read();
      refuseNonObject(value);
      return { to: (object) => applyStrategicMergePatch(schema, object, value), duplicates };
    }
    default:
      throw unsupported(request);
  }
}

/** In a patch a uid is a field that cannot be changed; in a whole object it says which one is meant. */
function uidErrors(current: KubeObject, { metadata: { uid } }: KubeObject): FieldError[] {
  if (!uid || uid === current.metadata.uid) return [];
  return [wrongValue('metadata.uid', uid, 'field is immutable')];
}

function unsupported(request: ResourceRequest): ApiError {
  const types = ['application/json-patch+json', 'application/merge-patch+json'];
  if (request.kind.schema.$ref) types.push('application/strategic-merge-patch+json');
  types.push('application/apply-patch+yaml');
  return new ApiError(
    'UnsupportedMediaType',
    `the body of the request was in an unknown format - accepted media types include: ${types.join(', ')}`,
  );
}

function refuseNonObject(value: unknown): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return;
  throw new ApiError(
    'BadRequest',
    'the patch is not an object: an object with the fields to change was expected',
  );
}
