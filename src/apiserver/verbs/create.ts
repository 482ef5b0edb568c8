import type { HttpReply } from '#base/http-message.ts';
import { Node } from '#api/core-v1/node.ts';
import type { Kind } from '#api/kind.ts';
import {
  alreadyExists,
  ApiError,
  forbidden,
  methodNotAllowed,
  otherNamespace,
} from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import {
  admitFields,
  admitObject,
  refuseLarge,
  refuseOtherTypes,
  type Fields,
} from '#apiserver/admission/admit.ts';
import { unwrittenStatus } from '#apiserver/admission/schema-walk.ts';
import { decodeBody } from '#apiserver/admission/decode.ts';
import type { Owner } from '#apiserver/apply/managed-fields.ts';
import { partOf } from '#apiserver/apply/owned-part.ts';
import { recordOwners } from '#apiserver/apply/ownership.ts';
import { hasGeneration } from '#apiserver/generation.ts';
import { entryReply, objectReply } from '#apiserver/object-reply.ts';
import {
  fieldValidationOf,
  isDryRun,
  writeOptionsOf,
  type Deps,
  type GivenName,
  type ResourceRequest,
} from '#apiserver/resource-request.ts';
import { keyOf, storedText } from '#apiserver/stored-object.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import { KeyExists, type Entry } from '#store/store.ts';

/** As Kubernetes: five random characters, and the whole fits a DNS label. */
const SUFFIX_LENGTH = 5;
const BASE_LENGTH_MAX = 63 - SUFFIX_LENGTH;
/** A name just made up may be taken; this many are tried. */
const NAME_TRIES = 8;

/** POST /apis/{group}/{version}/namespaces/{namespace}/{plural} */
export async function create(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  const decoded = await decodeBody(request.body, request.headers['content-type']);
  const fields = admitFields(request.kind, decoded.value, {
    duplicates: decoded.duplicates,
    fieldValidation: fieldValidationOf(request),
  });
  refuseOtherTypes(request.kind, fields.errors);
  return createObject(request, deps, fields);
}

/** Creates what a body held. `owners` are those of an apply, which knows them. */
export async function createObject(
  request: ResourceRequest,
  deps: Deps,
  { object, errors, warnings, owners }: Fields & { readonly owners?: readonly Owner[] },
): Promise<HttpReply> {
  const { kind } = request;
  placeIn(request, object);
  if (kind.custom?.isTerminating) {
    const why = 'create not allowed while custom resource definition is terminating';
    throw forbidden(kind, object.metadata.name ?? '', why);
  }
  if (kind.subresources.includes('status')) dropStatus(kind, object);
  const isGenerated = !object.metadata.name && !!object.metadata.generateName;
  using unused = new DisposableStack();
  const given = startLife(kind, object, deps);
  if (given?.release) unused.defer(given.release);
  const now = timestamp(deps.clock.now());
  const write = { request, current: undefined, part: partOf(request), now };
  await using _reservations = await admitObject(object, {
    kind,
    operation: 'CREATE',
    user: request.user,
    subresource: undefined,
    previous: undefined,
    errors,
    steps: deps.admission,
    serving: deps.serving(),
    isDryRun: isDryRun(request),
    options: writeOptionsOf(request),
    warn: deps.warn,
    onDefaulted: (defaulted) => recordOwners(defaulted, { ...write, ...(owners && { owners }) }),
  });
  const options = { status: 201, warnings: withNotActedOn(kind, warnings), clock: deps.clock };
  if (isDryRun(request)) {
    await refuseExisting(request, object, deps);
    return objectReply(request, object, options);
  }
  const entry = await store(request, object, { deps, tries: isGenerated ? NAME_TRIES : 1 });
  if (object.metadata.uid === given?.uid) unused.move();
  return entryReply(request, entry, options);
}

/** What a client should know of a kind that is stored and does nothing yet. */
function withNotActedOn(kind: Kind, warnings: readonly string[]): readonly string[] {
  return kind.notActedOn === undefined ? warnings : [...warnings, kind.notActedOn];
}

function placeIn(request: ResourceRequest, object: KubeObject): void {
  const { namespace, kind } = request;
  const { metadata } = object;
  if (kind.scope === 'Cluster') {
    delete metadata.namespace;
    return;
  }
  if (namespace === undefined) throw methodNotAllowed();
  if (metadata.namespace && metadata.namespace !== namespace) throw otherNamespace();
  metadata.namespace = namespace;
}

function startLife(kind: Kind, object: KubeObject, deps: Deps): GivenName | undefined {
  const { metadata } = object;
  if (metadata.resourceVersion) {
    throw new ApiError('BadRequest', 'resourceVersion should not be set on objects to be created');
  }
  delete metadata.resourceVersion;
  delete metadata.deletionTimestamp;
  delete metadata.deletionGracePeriodSeconds;
  delete metadata.generation;
  const isNameless = !metadata.name && !!metadata.generateName;
  const given = isNameless ? deps.generateName(kind, object) : undefined;
  if (isNameless) metadata.name = given?.name ?? madeUpName(metadata.generateName ?? '', deps);
  metadata.uid = given?.uid ?? deps.random.uuid();
  metadata.creationTimestamp = timestamp(deps.clock.now());
  if (hasGeneration(kind)) metadata.generation = 1;
  return given;
}

/** What an author says of it is not believed; only a Node comes with what it is. */
function dropStatus(kind: Kind, object: KubeObject & { status?: unknown }): void {
  if (kind === (Node as Kind)) return;
  object.status = unwrittenStatus(kind.schema);
  if (object.status === undefined) delete object.status;
}

function madeUpName(base: string, deps: Deps): string {
  return `${base.slice(0, BASE_LENGTH_MAX)}${deps.random.suffix(SUFFIX_LENGTH)}`;
}

async function store(
  request: ResourceRequest,
  object: KubeObject,
  options: { readonly deps: Deps; readonly tries: number },
): Promise<Entry> {
  const { deps } = options;
  for (let tries = options.tries; ; tries -= 1) {
    const text = storedText(object);
    refuseLarge(text);
    const name = object.metadata.name ?? '';
    try {
      return await deps.store.create(keyOf(request.kind, request.namespace, name), text);
    } catch (error) {
      if (!(error instanceof KeyExists)) throw error;
      if (tries <= 1) throw alreadyExists(request.kind, name);
      object.metadata.name = madeUpName(object.metadata.generateName ?? '', deps);
      object.metadata.uid = deps.random.uuid();
    }
  }
}

async function refuseExisting(
  request: ResourceRequest,
  object: KubeObject,
  deps: Deps,
): Promise<void> {
  const name = object.metadata.name ?? '';
  const entry = await deps.store.get(keyOf(request.kind, request.namespace, name));
  if (entry) throw alreadyExists(request.kind, name);
}
