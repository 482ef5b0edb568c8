import type { FieldError } from '#api/kind.ts';
import { ApiError, invalidOptions } from '#api/meta/api-error.ts';
import { forbiddenField } from '#api/meta/field-error.ts';
import { unsupportedErrors } from '#api/meta/value-errors.ts';
import { integerOf, type ResourceRequest } from '#apiserver/resource-request.ts';

const MATCH = 'resourceVersionMatch';
const SEND = 'sendInitialEvents';

/**
 * Refuses what a list or watch asks for that contradicts itself, in Kubernetes' words: meta/v1 ListOptions. Throws Invalid,
 * and BadRequest for a continued page of another version.
 */
export function checkListOptions({
  query,
  isWatch,
}: Pick<ResourceRequest, 'query' | 'isWatch'>): void {
  const errors = isWatch ? watchErrors(query) : listErrors(query);
  if (errors.length > 0) throw invalidOptions('ListOptions', errors);
  integerOf(query, 'timeoutSeconds');
  const version = query.get('resourceVersion') ?? '';
  if (query.get('continue') && version !== '' && version !== '0') {
    const message = 'specifying resource version is not allowed when using continue';
    throw new ApiError('BadRequest', message);
  }
}

function listErrors(query: URLSearchParams): FieldError[] {
  const match = query.get(MATCH) ?? '';
  const version = query.get('resourceVersion') ?? '';
  const errors: FieldError[] = [];
  if (match !== '') {
    if (version === '') {
      errors.push(
        forbiddenField(MATCH, `${MATCH} is forbidden unless resourceVersion is provided`),
      );
    }
    if (query.get('continue')) {
      errors.push(forbiddenField(MATCH, `${MATCH} is forbidden when continue is provided`));
    }
    errors.push(...unsupportedErrors(MATCH, match, ['Exact', 'NotOlderThan', '']));
    if (match === 'Exact' && version === '0') {
      const why = `${MATCH} "exact" is forbidden for resourceVersion "0"`;
      errors.push(forbiddenField(MATCH, why));
    }
  }
  if (query.has(SEND)) errors.push(forbiddenField(SEND, `${SEND} is forbidden for list`));
  return errors;
}

function watchErrors(query: URLSearchParams): FieldError[] {
  const match = query.get(MATCH) ?? '';
  const errors: FieldError[] = [];
  if (query.has(SEND)) {
    if (match !== 'NotOlderThan') {
      const why = `${SEND} requires setting ${MATCH} to NotOlderThan`;
      errors.push(forbiddenField(MATCH, why));
    }
  } else if (match !== '') {
    const why = `${MATCH} is forbidden for watch unless ${SEND} is provided`;
    errors.push(forbiddenField(MATCH, why));
  }
  if (match !== '') errors.push(...unsupportedErrors(MATCH, match, ['NotOlderThan']));
  if (query.get('continue')) {
    errors.push(forbiddenField(MATCH, `${MATCH} is forbidden when continue is provided`));
  }
  return errors;
}
