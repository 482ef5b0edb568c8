import { applyPatch, type Operation } from 'rfc6902';
import { ApiError } from '#api/meta/api-error.ts';

/** As Kubernetes: more operations than this are refused before any is tried. */
const OPERATIONS_MAX = 10_000;
const OPERATIONS = new Set(['add', 'remove', 'replace', 'move', 'copy', 'test']);

/** RFC 6902. Throws BadRequest for what is no patch, Invalid where it does not fit the object. */
export function applyJsonPatch(object: unknown, patch: unknown): unknown {
  if (!isPatch(patch)) {
    throw new ApiError('BadRequest', 'the patch is not a list of JSON Patch operations (RFC 6902)');
  }
  if (patch.length > OPERATIONS_MAX) {
    throw new ApiError(
      'RequestEntityTooLarge',
      `The allowed maximum operations in a JSON patch is ${OPERATIONS_MAX}, got ${patch.length}`,
    );
  }
  const patched: unknown = structuredClone(object);
  const failure = applyPatch(patched, [...patch]).find((error) => error !== null);
  if (failure) {
    throw new ApiError('Invalid', `the JSON patch does not fit the object: ${failure.message}`);
  }
  return patched;
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
