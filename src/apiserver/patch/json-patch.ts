import { applyPatch, Pointer, type Operation } from 'rfc6902';
import { ApiError } from '#api/meta/api-error.ts';

/** As Kubernetes: more operations than this are refused before any is tried. */
const OPERATIONS_MAX = 10_000;
/** As Kubernetes: what all the copies of a patch may add, so that a few lines cannot double a value for ever. */
const COPIED_LENGTH_MAX = 3 * 1024 * 1024;
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
  let copied = 0;
  for (const operation of patch) {
    if (operation.op === 'copy') copied += lengthAt(patched, operation.from);
    if (copied > COPIED_LENGTH_MAX) {
      const message = `Unable to complete the copy, the accumulated size increase of copy is ${copied}, exceeding the limit ${COPIED_LENGTH_MAX}`;
      throw new ApiError('RequestEntityTooLarge', message);
    }
    const [failure] = applyPatch(patched, [operation]);
    if (failure) {
      throw new ApiError('Invalid', `the JSON patch does not fit the object: ${failure.message}`);
    }
  }
  return patched;
}

/** Of the value's JSON; 0 where there is none. */
function lengthAt(object: unknown, pointer: string): number {
  return JSON.stringify(Pointer.fromJSON(pointer).get(object))?.length ?? 0;
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
