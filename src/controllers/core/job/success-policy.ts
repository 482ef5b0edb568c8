import type { Job } from '#api/batch-v1/job.ts';
import { parseIndexes } from '#controllers/core/job/completion-indexes.ts';

/** The first rule of a Job's successPolicy that holds: so many pieces of work are done, or these, or so many of these. */
export function metSuccessRule({ spec }: Job, completed: ReadonlySet<number>): number | undefined {
  const rules = spec?.successPolicy?.rules ?? [];
  const at = rules.findIndex(({ succeededIndexes, succeededCount }) => {
    if (succeededIndexes === undefined) return completed.size >= (succeededCount ?? Infinity);
    const wanted = parseIndexes(succeededIndexes);
    return wanted.intersection(completed).size >= (succeededCount ?? wanted.size);
  });
  return at < 0 ? undefined : at;
}
