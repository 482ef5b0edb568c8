import { copyJson } from '#base/copy-json.ts';
import { isOwnedBy } from '#api/meta/object-meta.ts';
import type { Configuration } from '#api/serving-v1/configuration.ts';
import { normalizeAmounts } from '#api/serving-v1/revision-amounts.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import type { RevisionSpec } from '#api/serving-v1/revision-template.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import { isSameContent } from '#client/overlay.ts';

/**
 * Whether a Revision that has the name of a Configuration's template stands for what the template says. A name may be
 * used again for the same thing: that is how a user rolls back by name.
 */
export function isAdoptable(revision: Revision, configuration: Configuration): boolean {
  if (!isOwnedBy(revision, configuration)) return false;
  if (isOfGeneration(revision, configuration)) return true;
  const held = normalized(revision.spec);
  const { enableServiceLinks = null } = held;
  // Where a template says nothing of these, its Revision was told when it was made, and the template was not.
  const wanted = { enableServiceLinks, ...normalized(configuration.spec.template?.spec) };
  return isSameContent(held, wanted);
}

export function isOfGeneration({ metadata }: Revision, configuration: Configuration): boolean {
  const generation = metadata.labels?.[servingKeys.configurationGeneration];
  return generation === String(configuration.metadata.generation);
}

/** An older server may have stored amounts as their author wrote them. */
function normalized(spec: RevisionSpec = {}): RevisionSpec {
  const copy = copyJson(spec);
  normalizeAmounts(copy);
  return copy;
}
