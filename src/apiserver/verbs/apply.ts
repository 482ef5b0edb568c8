import type { HttpReply } from '#base/http-message.ts';
import { apiVersionOf, type FieldError, type Kind } from '#api/kind.ts';
import { ApiError, conflict, hasReason, invalidOptions, notFound } from '#api/meta/api-error.ts';
import { forbiddenField, required } from '#api/meta/field-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { isTrue } from '#api/meta/query-flag.ts';
import { admitFields, type Fields } from '#apiserver/admission/admit.ts';
import { decodeBody, type Decoded } from '#apiserver/admission/decode.ts';
import { quoted } from '#apiserver/admission/field-path.ts';
import { applyConfiguration, NotApplicable } from '#apiserver/apply/apply-configuration.ts';
import { clientAppliedFields, withLastApplied } from '#apiserver/apply/last-applied.ts';
import { storedOwners, type Owner } from '#apiserver/apply/managed-fields.ts';
import { ownedPart, partOf, placeOfKind } from '#apiserver/apply/owned-part.ts';
import { ownerBy } from '#apiserver/apply/ownership.ts';
import { entryReply, objectReply } from '#apiserver/object-reply.ts';
import { isFields } from '#apiserver/patch/merge-patch.ts';
import {
  fieldValidationOf,
  isDryRun,
  type Deps,
  type ResourceRequest,
} from '#apiserver/resource-request.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import { createObject } from '#apiserver/verbs/create.ts';
import { modify, type Modified } from '#apiserver/verbs/modify.ts';
import { nameMissing } from '#apiserver/verbs/update.ts';

/** Somebody may create, or delete, between two looks at the object; this many times it is looked at again. */
const TRIES = 5;

export function isApplyPatch({ headers }: ResourceRequest): boolean {
  const type = headers['content-type']?.split(';')[0]?.trim().toLowerCase();
  return type === 'application/apply-patch+yaml';
}

/** PATCH …/{plural}/{name} with a configuration to apply: changes the object, or creates it. */
export async function apply(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  const application = await readApplication(request, request.kind);
  for (let tries = TRIES; ; tries -= 1) {
    try {
      return await replyOf(request, deps, await applyToObject(request, deps, application));
    } catch (error) {
      if (!hasReason(error, 'NotFound') || request.subresource !== undefined) throw error;
    }
    await deps.authorizeCreate(request);
    try {
      return await createApplied(request, deps, application);
    } catch (error) {
      if (!hasReason(error, 'AlreadyExists') || tries <= 1) throw error;
    }
  }
}

/** PatchOptions that make no sense: `force` belongs to apply. Throws Invalid. */
export function refuseForce({ query }: ResourceRequest): void {
  if (!query.has('force')) return;
  throw invalidOption(forbiddenField('force', 'may not be specified for non-apply patch'));
}

export interface Application extends Pick<Decoded, 'duplicates'> {
  readonly configuration: KubeObject;
}

/** What a request wants applied, which must be of kind `wanted`. Throws BadRequest, or Invalid without a manager's name. */
export async function readApplication(
  request: ResourceRequest,
  wanted: Pick<Kind, 'group' | 'version' | 'kind'>,
): Promise<Application> {
  if (!request.query.get('fieldManager')) {
    throw invalidOption(required('fieldManager', 'is required for apply patch'));
  }
  fieldValidationOf(request); // What is wrong with the options is said before what is wrong with the object.
  const { value, duplicates } = await decodeBody(request.body, bodyType(request));
  return { configuration: parseConfiguration(request, wanted, value), duplicates };
}

type AppliedObject = Modified & { readonly warnings: readonly string[] };

/** Applies to the object that there is. Throws NotFound. */
export async function applyToObject(
  request: ResourceRequest,
  deps: Deps,
  application: Application,
): Promise<AppliedObject> {
  let warnings: readonly string[] = [];
  const modified = await modify(request, deps, {
    async change(current) {
      const fields = appliedTo(current, { request, deps, application });
      ({ warnings } = fields);
      return fields;
    },
    part: partOf(request),
    isDryRun: isDryRun(request),
  });
  return { ...modified, warnings };
}

async function replyOf(
  request: ResourceRequest,
  { clock }: Deps,
  { entry, object, warnings }: AppliedObject,
): Promise<HttpReply> {
  const options = { warnings, clock };
  return entry ? entryReply(request, entry, options) : objectReply(request, object, options);
}

async function createApplied(
  request: ResourceRequest,
  deps: Deps,
  application: Application,
): Promise<HttpReply> {
  const { metadata } = application.configuration;
  if (metadata.uid) {
    const why = `uid mismatch: the provided object specified uid ${metadata.uid}, and no existing object was found`;
    throw conflict(request.kind, request.name, why);
  }
  // What is to have a version already is not what is to be created.
  if (metadata.resourceVersion) throw notFound(request.kind, request.name);
  if (!metadata.name) throw nameMissing(request.name);
  return createObject(request, deps, appliedTo(undefined, { request, deps, application }));
}

/** The object that the configuration makes of what is there, checked against its schema, and its owners. */
function appliedTo(
  current: KubeObject | undefined,
  work: {
    readonly request: ResourceRequest;
    readonly deps: Deps;
    readonly application: Application;
  },
): Fields & { readonly owners: readonly Owner[] } {
  const { request, application } = work;
  const { kind, query } = request;
  const { configuration } = application;
  const part = partOf(request);
  const { metadata, ...given } = ownedPart(configuration, part);
  const hasMetadata = isFields(metadata) && Object.keys(metadata).length > 0;
  const by = ownerBy(request, { operation: 'Apply', now: timestamp(work.deps.clock.now()) });
  const { manager } = by;
  const place = placeOfKind(kind);
  const { object, owners } = withReason(request, () =>
    applyConfiguration(place, storedOwners(current), {
      live: current ? ownedPart(current, part) : { metadata: {} },
      configuration: { ...given, ...(hasMetadata && { metadata }) },
      by,
      isForced: isTrue(query, 'force'),
      yielded: clientAppliedFields(place, current, { manager, part }),
    }),
  );
  const { uid, resourceVersion, name = request.name, namespace } = configuration.metadata;
  const kept = withLastApplied(object, { manager, configuration });
  const value = {
    ...kept,
    metadata: {
      ...(kept['metadata'] as KubeObject['metadata']),
      name,
      ...(namespace !== undefined && { namespace }),
      ...(uid !== undefined && { uid }),
      ...(resourceVersion !== undefined && { resourceVersion }),
    },
  };
  const fieldValidation = fieldValidationOf(request);
  const { duplicates } = application;
  // Cloned, because checking fills in and prunes.
  return { ...admitFields(kind, structuredClone(value), { duplicates, fieldValidation }), owners };
}

function withReason<T>(request: ResourceRequest, run: () => T): T {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof NotApplicable)) throw error;
    const { kind, namespace, name } = request;
    const place = namespace === undefined ? `/${name}` : `${namespace}/${name}`;
    const subject = `${place}; ${kind.group}/${kind.version}, Kind=${kind.kind}`;
    throw new ApiError(
      'BadRequest',
      `failed to create typed patch object (${subject}): ${error.message}`,
    );
  }
}

/** Throws BadRequest for what is no object of this kind and name. */
function parseConfiguration(
  { name, namespace }: ResourceRequest,
  kind: Pick<Kind, 'group' | 'version' | 'kind'>,
  value: unknown,
): KubeObject {
  const { apiVersion, kind: kindName, metadata = {} } = isFields(value) ? value : {};
  if (!isFields(value) || !isFields(metadata)) {
    throw new ApiError('BadRequest', `the body is no object: a ${kind.kind} was expected`);
  }
  const wanted = apiVersionOf(kind);
  if (apiVersion !== wanted || kindName !== kind.kind) {
    const version = typeof apiVersion === 'string' ? apiVersion : '';
    const found = version.includes('/') ? version : `/${version}`;
    const name = typeof kindName === 'string' ? kindName : '';
    throw new ApiError('BadRequest', `invalid object type: ${found}, Kind=${name}`);
  }
  if (metadata['managedFields'] !== undefined && metadata['managedFields'] !== null) {
    throw new ApiError('BadRequest', 'metadata.managedFields must be nil');
  }
  refuseOther('name', metadata['name'], name);
  refuseOther('namespace', metadata['namespace'], namespace ?? '');
  return { ...value, apiVersion: wanted, kind: kind.kind, metadata };
}

function refuseOther(field: 'name' | 'namespace', found: unknown, wanted: string): void {
  if (found === undefined || found === '' || found === wanted) return;
  throw new ApiError(
    'BadRequest',
    `the ${field} of the object (${quoted(found)}) does not match the ${field} on the URL (${wanted})`,
  );
}

/** Programs send JSON, which is YAML too, and is read much faster as what it is. */
function bodyType({ body }: ResourceRequest): string {
  const start = Buffer.from(body?.slice(0, 20) ?? '').toString('latin1');
  return /^\s*\{\s*["}]/.test(start) ? 'application/json' : 'application/yaml';
}

function invalidOption(error: FieldError): ApiError {
  return invalidOptions('PatchOptions', [error]);
}
