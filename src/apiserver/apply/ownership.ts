import { isDeepStrictEqual } from 'node:util';
import { apiVersionOf } from '#api/kind.ts';
import { invalidOptions } from '#api/meta/api-error.ts';
import type { KubeObject, ObjectMeta } from '#api/meta/object-meta.ts';
import {
  parseManagedFields,
  renderManagedFields,
  storedOwners,
  type Owner,
} from '#apiserver/apply/managed-fields.ts';
import { ownedPart, placeOfKind, type Part } from '#apiserver/apply/owned-part.ts';
import { trackUpdate } from '#apiserver/apply/track-update.ts';
import { platformUser } from '#apiserver/user.ts';
import { optionsKind, type ResourceRequest } from '#apiserver/resource-request.ts';

type ManagedFields = ObjectMeta['managedFields'];

/** The platform's own parts, which give no name. */
const PLATFORM_MANAGER = 'knode';

/** As Kubernetes limits a manager's name. */
const MANAGER_LENGTH_MAX = 128;

export interface Write {
  readonly request: ResourceRequest;
  /** Absent where it is created. */
  readonly current: KubeObject | undefined;
  readonly part: Part;
  /** RFC 3339. */
  readonly now: string;
  /** Whom an apply has made the owners; absent for other writes, whose owners follow from what they change. */
  readonly owners?: readonly Owner[];
}

/**
 * Writes down in `object` who owns its fields after this write. An object that nobody has kept book of is left so, as is
 * one created by somebody without a name: the platform's own parts, which write often and never apply.
 */
export function recordOwners(object: KubeObject, write: Write): void {
  const { metadata } = object;
  const { managedFields: given } = metadata;
  const live = write.current?.metadata.managedFields;
  const isLive = isDeepStrictEqual(given, live);
  const before = isLive ? storedOwners(write.current) : startingOwners(given, write.current);
  const owners = write.owners ?? ownersAfterUpdate(object, before, write);
  const isUntouched = isLive && owners === before;
  const recorded = isUntouched ? live : renderManagedFields(owners);
  if (recorded && recorded.length > 0) metadata.managedFields = recorded;
  else delete metadata.managedFields;
}

/** Whoever sends a request, as an owner: by its `fieldManager`, else by the program that its User-Agent names. */
export function ownerBy(
  request: ResourceRequest,
  { operation, now }: { readonly operation: Owner['operation']; readonly now: string },
): Owner {
  const { kind, subresource, user } = request;
  const nameless = user.name === platformUser.name ? PLATFORM_MANAGER : 'unknown';
  const manager = managerName(request) || nameless;
  const apiVersion = apiVersionOf(kind);
  return { manager, operation, apiVersion, subresource, time: now, fields: undefined };
}

/** Whether all that differs is when somebody last wrote the very same fields. */
export function isSameButTimes(one: KubeObject, other: KubeObject): boolean {
  const [mine, theirs] = [one.metadata.managedFields, other.metadata.managedFields];
  if (mine === theirs) return isDeepStrictEqual(one, other);
  if (!isDeepStrictEqual(withoutTimes(mine), withoutTimes(theirs))) return false;
  const metadata = { ...one.metadata, ...(theirs && { managedFields: theirs }) };
  return isDeepStrictEqual({ ...one, metadata }, other);
}

function withoutTimes(managedFields: ManagedFields): unknown {
  return managedFields?.map(({ time: _time, ...rest }) => rest);
}

/**
 * The owners that a write starts from: those it gives, so that clients can correct them. An empty list, or one empty entry,
 * forgets them all; none, or broken ones, mean those there are, because a client that knows nothing of them must not lose them.
 */
function startingOwners(given: ManagedFields, current: KubeObject | undefined): readonly Owner[] {
  const isForgotten =
    given && given.length < 2 && given.every((each) => Object.keys(each).length === 0);
  if (isForgotten) return [];
  const owners = parseManagedFields(given) ?? [];
  return owners.length > 0 ? owners : storedOwners(current);
}

function ownersAfterUpdate(
  object: KubeObject,
  before: readonly Owner[],
  { request, current, part, now }: Write,
): readonly Owner[] {
  const isRecorded = current ? before.length > 0 : managerName(request) !== '';
  if (!isRecorded) return before;
  return trackUpdate(placeOfKind(request.kind), before, {
    before: current ? ownedPart(current, part) : { metadata: {} },
    after: ownedPart(object, part),
    by: ownerBy(request, { operation: 'Update', now }),
  });
}

function managerName(request: ResourceRequest): string {
  const given = request.query.get('fieldManager') ?? '';
  refuseManager(request, given);
  if (given !== '') return given;
  const program = request.headers['user-agent']?.split('/')[0] ?? '';
  return program.replaceAll(/\p{C}/gu, '').slice(0, MANAGER_LENGTH_MAX);
}

/** Throws Invalid, in Kubernetes' words. */
function refuseManager(request: Pick<ResourceRequest, 'method'>, name: string): void {
  const path = 'fieldManager';
  if (Buffer.byteLength(name) > MANAGER_LENGTH_MAX) {
    const message = `Too long: may not be more than ${MANAGER_LENGTH_MAX} bytes`;
    throw invalidOptions(optionsKind(request.method), [
      { path, message, reason: 'FieldValueTooLong' },
    ]);
  }
  const [odd] = /\p{C}/u.exec(name) ?? [];
  if (odd === undefined) return;
  const at = Buffer.byteLength(name.slice(0, name.indexOf(odd)));
  const code = (odd.codePointAt(0) ?? 0).toString(16);
  const shown = name.replaceAll(
    /\p{C}/gu,
    (each) => `\\x${(each.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`,
  );
  const message = `Invalid value: "${shown}": invalid character U+${code.toUpperCase().padStart(4, '0')} (at position ${at})`;
  throw invalidOptions(optionsKind(request.method), [{ path, message }]);
}
