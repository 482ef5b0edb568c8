import type { HttpReply } from '#base/http-message.ts';
import type { FieldError, Kind } from '#api/kind.ts';
import { ApiError, otherNamespace } from '#api/meta/api-error.ts';
import { wrongValue } from '#api/meta/field-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { admitFields, refuseOtherTypes } from '#apiserver/admission/admit.ts';
import { decodeBody } from '#apiserver/admission/decode.ts';
import { entryReply, objectReply } from '#apiserver/object-reply.ts';
import {
  fieldValidationOf,
  isDryRun,
  type Deps,
  type ResourceRequest,
} from '#apiserver/resource-request.ts';
import { modify, type Modification } from '#apiserver/verbs/modify.ts';

/** PUT …/{plural}/{name}: replaces all but the status; …/{name}/status: the status alone. */
export async function update(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  const { kind, namespace, name } = request;
  const decoded = await decodeBody(request.body, request.headers['content-type']);
  const { object, errors, warnings } = admitFields(kind, decoded.value, {
    duplicates: decoded.duplicates,
    fieldValidation: fieldValidationOf(request),
  });
  refuseOtherTypes(kind, errors);
  if (!object.metadata.name) throw nameMissing(name);
  if (object.metadata.name !== name) {
    throw new ApiError(
      'BadRequest',
      `the name of the object (${object.metadata.name ?? ''}) does not match the name on the URL (${name})`,
    );
  }
  if (object.metadata.namespace && object.metadata.namespace !== namespace) throw otherNamespace();
  const modified = await modify(request, deps, {
    change: async () => ({
      object: structuredClone(object),
      errors: [...errors, ...unconditionalErrors(kind, object)],
    }),
    part: partOf(request),
    isDryRun: isDryRun(request),
  });
  const options = { warnings, clock: deps.clock };
  return modified.entry
    ? entryReply(request, modified.entry, options)
    : objectReply(request, modified.object, options);
}

/** Who replaces a custom resource says which one it read, as Kubernetes demands. */
function unconditionalErrors(kind: Kind, { metadata }: KubeObject): FieldError[] {
  if (!kind.custom || metadata.resourceVersion) return [];
  return [wrongValue('metadata.resourceVersion', 0, 'must be specified for an update')];
}

/** An object that is sent to a path of its own says its name all the same. */
export function nameMissing(name: string): ApiError {
  return new ApiError(
    'BadRequest',
    `the name of the object (${name} based on URL) was undeterminable: name must be provided`,
  );
}

/** What a write to this path may change. */
export function partOf(request: ResourceRequest): Modification['part'] {
  if (request.subresource === 'status') return 'status';
  if (request.subresource === 'ephemeralcontainers') return 'ephemeral containers';
  return request.kind.subresources.includes('status') ? 'all but status' : 'everything';
}
