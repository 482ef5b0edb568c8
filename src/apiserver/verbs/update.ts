import { copyJson } from '#base/copy-json.ts';
import type { HttpReply } from '#base/http-message.ts';
import { resourceOf, type FieldError, type Kind } from '#api/kind.ts';
import { ApiError, conflict, hasReason, otherNamespace } from '#api/meta/api-error.ts';
import { wrongValue } from '#api/meta/field-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { admitFields, refuseOtherTypes, type Fields } from '#apiserver/admission/admit.ts';
import { decodeBody } from '#apiserver/admission/decode.ts';
import { partOf } from '#apiserver/apply/owned-part.ts';
import { entryReply, objectReply } from '#apiserver/object-reply.ts';
import {
  fieldValidationOf,
  isDryRun,
  type Deps,
  type ResourceRequest,
} from '#apiserver/resource-request.ts';
import { createObject } from '#apiserver/verbs/create.ts';
import { modify } from '#apiserver/verbs/modify.ts';

/** PUT …/{plural}/{name}: replaces all but the status; …/{name}/status: the status alone. */
export async function update(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  const { kind, namespace, name } = request;
  const decoded = await decodeBody(request.body, request.headers['content-type']);
  const fields = admitFields(kind, decoded.value, {
    duplicates: decoded.duplicates,
    fieldValidation: fieldValidationOf(request),
  });
  const { object, errors } = fields;
  refuseOtherTypes(kind, errors);
  if (!object.metadata.name) throw nameMissing(name);
  if (object.metadata.name !== name) {
    throw new ApiError(
      'BadRequest',
      `the name of the object (${object.metadata.name ?? ''}) does not match the name on the URL (${name})`,
    );
  }
  if (object.metadata.namespace && object.metadata.namespace !== namespace) throw otherNamespace();
  try {
    return await replace(request, deps, fields);
  } catch (error) {
    const isMade = request.subresource === undefined && MADE_BY_UPDATE.has(resourceOf(kind));
    if (!isMade || !hasReason(error, 'NotFound')) throw error;
  }
  await deps.authorizeCreate(request);
  return await make(request, deps, fields);
}

/** Kinds whose objects Kubernetes makes where an update finds none. */
const MADE_BY_UPDATE: ReadonlySet<string> = new Set([
  'clusterrolebindings.rbac.authorization.k8s.io',
  'clusterroles.rbac.authorization.k8s.io',
  'endpoints',
  'events',
  'events.events.k8s.io',
  'leases.coordination.k8s.io',
  'limitranges',
  'rolebindings.rbac.authorization.k8s.io',
  'roles.rbac.authorization.k8s.io',
  'services',
]);

async function replace(
  request: ResourceRequest,
  deps: Deps,
  { object, errors, warnings }: Fields,
): Promise<HttpReply> {
  const modified = await modify(request, deps, {
    change: async () => ({
      object: copyJson(object),
      errors: [...errors, ...unconditionalErrors(request.kind, object)],
    }),
    part: partOf(request),
    isDryRun: isDryRun(request),
  });
  const options = { warnings, clock: deps.clock };
  return modified.entry
    ? entryReply(request, modified.entry, options)
    : objectReply(request, modified.object, options);
}

async function make(request: ResourceRequest, deps: Deps, fields: Fields): Promise<HttpReply> {
  const { metadata } = fields.object;
  if (metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${metadata.uid}, UID in object meta: `;
    throw conflict(request.kind, request.name, why);
  }
  delete metadata.resourceVersion;
  return await createObject(request, deps, fields);
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
