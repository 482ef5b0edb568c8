import { applyPatch, Pointer, type Operation } from 'rfc6902';
import { ApiError } from '#api/meta/api-error.ts';

/** As Kubernetes: more operations than this are refused before any is tried. */
const OPERATIONS_MAX = 10_000;
/** As Kubernetes: what all the copies of a patch may add, so that a few lines cannot double a value for ever. */
const COPIED_LENGTH_MAX = 3 * 1024 * 1024;
/** Of values in all the copies: small ones take a hundred times their length in memory, and time. */
const COPIED_VALUES_MAX = 50_000;
const QUOTES = 2;
const OPERATIONS = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test']);

/** RFC 6902. Throws BadRequest for what is no list, Invalid where an operation is none or does not fit the object. */
export function applyJsonPatch(object: unknown, patch: unknown): unknown {
  if (!isPatch(patch)) {
    const reason = Array.isArray(patch) ? 'Invalid' : 'BadRequest';
    throw new ApiError(reason, 'the patch is not a list of JSON Patch operations (RFC 6902)');
  }
  if (patch.length > OPERATIONS_MAX) {
    throw new ApiError(
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is ${OPERATIONS_MAX}, got ${patch.length}`,
    );
  }
  const patched: unknown = structuredClone(object);
  const copied = { length: 0, values: 0 };
  for (const operation of patch) {
    if (operation.op === 'copy') weigh(Pointer.fromJSON(operation.from).get(patched), copied);
    const [failure] = applyPatch(patched, [lenient(patched, operation)]);
    if (failure) {
      throw new ApiError('Invalid', `the JSON patch does not fit the object: ${failure.message}`);
    }
  }
  return patched;
}

/** Kubernetes' own library replaces a field that is not there, which clients have come to rely on. */
function lenient(object: unknown, operation: Operation): Operation {
  if (operation.op !== 'replace') return operation;
  const { parent, key, value } = Pointer.fromJSON(operation.path).evaluate(object);
  const isAbsentField = value === undefined && key !== '' && isFields(parent);
  return isAbsentField ? { ...operation, op: 'add' } : operation;
}

function isFields(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

interface Copied {
  /** Of its JSON, about. */
  length: number;
  values: number;
}

/** Adds a value to what was copied. Throws RequestEntityTooLarge as soon as it is too much. */
function weigh(value: unknown, copied: Copied): void {
  copied.values += 1;
  if (copied.length > COPIED_LENGTH_MAX) throw tooMuch(copied.length, COPIED_LENGTH_MAX);
  if (copied.values > COPIED_VALUES_MAX) throw tooMuch(copied.values, COPIED_VALUES_MAX);
  if (typeof value !== 'object' || value === null) {
    copied.length += typeof value === 'string' ? value.length + QUOTES : String(value).length;
    return;
  }
  copied.length += QUOTES;
  for (const [name, inner] of Object.entries(value)) {
    if (!Array.isArray(value)) copied.length += name.length + QUOTES;
    copied.length += 1;
    weigh(inner, copied);
  }
}

function tooMuch(found: number, limit: number): ApiError {
  const message = `Unable to complete the copy, the accumulated size increase of copy is ${found}, exceeding the limit ${limit}`;
  return new ApiError('RequestEntityTooLarge', message);
}

function isPatch(value: unknown): value is readonly Operation[] {
  return (
    Array.isArray(value) &&
    value.every((operation: unknown) => {
      if (typeof operation !== 'object' || operation === null) return false;
      const { op, path, from } = operation as Record<string, unknown>;
      // A pointer through a prototype would reach into every object of the process.
      return (
        [path, from].every(
          (pointer) => !/(^|\/)(__proto__|constructor|prototype)(\/|$)/.test(String(pointer)),
        ) &&
        typeof op === 'string' &&
        OPERATIONS.has(op) &&
        typeof path === 'string'
      );
    })
  );
}
