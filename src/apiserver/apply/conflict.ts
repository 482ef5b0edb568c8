import { ApiError } from '#api/meta/api-error.ts';
import { pathsOf, type FieldSet } from '#apiserver/apply/field-set.ts';
import type { Owner } from '#apiserver/apply/managed-fields.ts';

/** What an apply would take from an owner who has not let go of it. */
export interface Conflict {
  readonly owner: Owner;
  readonly fields: FieldSet;
}

/** Kubernetes' Conflict for an apply; kubectl reads the owners and fields out of its causes. */
export function applyConflict(conflicts: readonly Conflict[]): ApiError {
  const each = conflicts.flatMap(({ owner, fields }) =>
    pathsOf(fields).map((path) => ({ owner: describeOwner(owner), path })),
  );
  const causes = each.map(({ owner, path }) => ({
    reason: 'FieldManagerConflict',
    message: `conflict with ${owner}`,
    path,
  }));
  return new ApiError('Conflict', messageOf(each), { causes });
}

function messageOf(
  conflicts: readonly { readonly owner: string; readonly path: string }[],
): string {
  const [first, second] = conflicts;
  if (first && !second) {
    return `Apply failed with 1 conflict: conflict with ${first.owner}: ${first.path}`;
  }
  const byOwner = Map.groupBy(conflicts, ({ owner }) => owner);
  const texts = [...byOwner]
    .toSorted(([one], [other]) => (one < other ? -1 : 1))
    .map(([owner, fields]) =>
      [`conflicts with ${owner}:`, ...fields.map(({ path }) => `- ${path}`)].join('\n'),
    );
  return `Apply failed with ${conflicts.length} conflicts: ${texts.join('\n')}`;
}

function describeOwner({ manager, subresource, operation, apiVersion }: Owner): string {
  const within = subresource === undefined ? '' : ` with subresource "${subresource}"`;
  const using = operation === 'Update' ? ` using ${apiVersion}` : '';
  return `${JSON.stringify(manager)}${within}${using}`;
}
