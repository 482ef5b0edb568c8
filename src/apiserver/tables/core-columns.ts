import type { Kind } from '#api/kind.ts';
import type { ComputedColumn } from '#apiserver/tables/table.ts';

export function coreColumns(_kind: Kind): readonly ComputedColumn[] | undefined {
  return undefined;
}
