import { copyJson } from '#base/copy-json.ts';
import type { FieldError } from '#api/kind.ts';
import {
  ApiError,
  conflict,
  invalid,
  notFound,
  otherNamespace,
  STALE_OBJECT,
} from '#api/meta/api-error.ts';
import { forbiddenField } from '#api/meta/field-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { admitObject, refuseLarge, type AdmissionView } from '#apiserver/admission/admit.ts';
import type { Owner } from '#apiserver/apply/managed-fields.ts';
import { ephemeralPart, type Part } from '#apiserver/apply/owned-part.ts';
import { isSameButTimes, recordOwners } from '#apiserver/apply/ownership.ts';
import { isFinished } from '#apiserver/deletion.ts';
import { hasGeneration, nextGeneration } from '#apiserver/generation.ts';
import { writeOptionsOf, type Deps, type ResourceRequest } from '#apiserver/resource-request.ts';
import { keyOf, objectAt, objectOf, storedText } from '#apiserver/stored-object.ts';
import { timestamp } from '#api/meta/timestamp.ts';
import { StaleRevision, type Entry } from '#store/store.ts';

/** A write that named no resourceVersion is made again on what others have written meanwhile, this many times. */
const TRIES = 5;

/** The object as it is to be, and what its fields are complained of. */
interface Candidate {
  readonly object: KubeObject;
  readonly errors: readonly FieldError[];
  /** Of an apply, which knows them. */
  readonly owners?: readonly Owner[];
}

export interface Modification {
  /** Makes the new object from the current one, which it must not change; called again after a lost race. */
  change(current: KubeObject): Promise<Candidate>;
  /** Which part of the candidate counts; the rest stays as it is. */
  readonly part: Part;
  readonly isDryRun: boolean;
  readonly view?: AdmissionView;
}

/** Absent `entry`: nothing was stored, because of a dry run or because the object is gone now. */
export interface Modified {
  readonly object: KubeObject;
  readonly entry?: Entry;
}

/**
 * Reads, changes, admits and writes one object. A change that changes nothing writes nothing and keeps the
 * resourceVersion. The object of a finished deletion is removed. Throws NotFound, Conflict, Invalid.
 */
export async function modify(
  request: ResourceRequest,
  deps: Deps,
  modification: Modification,
): Promise<Modified> {
  const { kind, namespace, name } = request;
  const key = keyOf(kind, namespace, name);
  for (let tries = TRIES; ; tries -= 1) {
    const entry = await deps.store.get(key);
    if (!entry) throw notFound(kind, name);
    try {
      return await modifyEntry(entry, { request, deps, modification });
    } catch (error) {
      if (!(error instanceof StaleRevision)) throw error;
      if (tries <= 1) throw conflict(kind, name, STALE_OBJECT);
    }
  }
}

interface Work {
  readonly request: ResourceRequest;
  readonly deps: Deps;
  readonly modification: Modification;
}

async function modifyEntry(entry: Entry, work: Work): Promise<Modified> {
  const { request, deps, modification } = work;
  const { kind, name, subresource, user } = request;
  const current = objectOf(entry);
  const { object: candidate, errors, owners } = await modification.change(current);
  refuseMistyped(request, errors);
  refuseStale(request, current, candidate);
  const object = merged(current, candidate, modification.part);
  const complaints = [...errors, ...lateFinalizerErrors(current, object)];
  const { part } = modification;
  const write = {
    request,
    current,
    part,
    now: timestamp(deps.clock.now()),
    ...(owners && { owners }),
  };
  await using _reservations = await admitObject(object, {
    kind,
    operation: 'UPDATE',
    user,
    subresource,
    previous: current,
    errors: complaints,
    steps: deps.admission,
    serving: deps.serving(),
    isDryRun: modification.isDryRun,
    options: writeOptionsOf(request),
    ...(modification.view && { view: modification.view }),
    warn: deps.warn,
    onDefaulted: (defaulted) => recordOwners(defaulted, write),
  });
  if (hasGeneration(kind))
    object.metadata.generation = nextGeneration(kind, { previous: current, next: object });
  if (isSameButTimes(object, current)) return { object: current, entry };
  if (object.metadata.name !== name) {
    throw new ApiError(
      'BadRequest',
      `the name of the object (${object.metadata.name}) does not match the name on the URL (${name})`,
    );
  }
  if (modification.isDryRun) return { object };
  const text = storedText(object);
  refuseLarge(text);
  if (isFinished(object)) {
    const at = await deps.store.delete(entry.key, entry.modified);
    return { object: objectAt({ ...entry, value: text }, at) };
  }
  const written = await deps.store.update(entry.key, text, entry.modified);
  return { object: objectOf(written), entry: written };
}

/** A patch may leave anything anywhere; from here on metadata is what its type says. */
function refuseMistyped({ kind, name }: ResourceRequest, errors: readonly FieldError[]): void {
  const mistyped = errors.filter(({ reason }) => reason === 'FieldValueTypeInvalid');
  if (mistyped.length > 0) throw invalid(kind, name, mistyped);
}

function refuseStale(request: ResourceRequest, current: KubeObject, candidate: KubeObject): void {
  const { kind, name } = request;
  const { uid, resourceVersion, namespace } = candidate.metadata;
  if (namespace && namespace !== current.metadata.namespace) throw otherNamespace();
  if (uid && uid !== current.metadata.uid) {
    const why = `Precondition failed: UID in precondition: ${uid}, UID in object meta: ${current.metadata.uid}`;
    throw conflict(kind, name, why);
  }
  if (resourceVersion && resourceVersion !== current.metadata.resourceVersion) {
    throw conflict(kind, name, STALE_OBJECT);
  }
}

/** Whoever finalizes must have said so before the deletion: a later one would keep the object for ever. */
function lateFinalizerErrors(current: KubeObject, object: KubeObject): FieldError[] {
  if (current.metadata.deletionTimestamp === undefined) return [];
  const before = current.metadata.finalizers ?? [];
  const late = (object.metadata.finalizers ?? []).filter((name) => !before.includes(name));
  if (late.length === 0) return [];
  const why = `no new finalizers can be added if the object is being deleted, found new finalizers ${JSON.stringify(late)}`;
  return [forbiddenField('metadata.finalizers', why)];
}

type WithStatus = KubeObject & { status?: unknown };

/** The candidate with what only the server says, and with the part that this request is not about, left as it was. */
function merged(
  current: WithStatus,
  candidate: WithStatus,
  part: Modification['part'],
): KubeObject {
  if (part === 'status') {
    const { status: _, ...rest } = copyJson(current);
    return candidate.status === undefined
      ? rest
      : ({ ...rest, status: candidate.status } as WithStatus);
  }
  if (part === 'ephemeral containers') {
    const whole = copyJson(current) as WithStatus & {
      spec?: { ephemeralContainers?: unknown };
    };
    const { ephemeralContainers: _, ...spec } = whole.spec ?? {};
    return { ...whole, spec: { ...spec, ...ephemeralPart(candidate) } } as WithStatus;
  }
  const { status: _, ...wishes } = candidate;
  const status = part === 'everything' ? candidate.status : copyJson(current.status);
  const object: WithStatus = { ...wishes, ...(status !== undefined && { status }) };
  object.metadata = { ...candidate.metadata, ...serverFields(current) };
  for (const field of SERVER_FIELDS) {
    if (current.metadata[field] === undefined) delete object.metadata[field];
  }
  return object;
}

const SERVER_FIELDS = [
  'namespace',
  'uid',
  'resourceVersion',
  'generation',
  'creationTimestamp',
  'deletionTimestamp',
  'deletionGracePeriodSeconds',
] as const;

function serverFields(current: KubeObject): Partial<KubeObject['metadata']> {
  return Object.fromEntries(SERVER_FIELDS.map((field) => [field, current.metadata[field]]));
}
