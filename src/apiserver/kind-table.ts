import { apiVersionOf, type Kind } from '#api/kind.ts';
import type { ServedKinds } from '#api/served-kinds.ts';

/** The kinds a server knows, found as requests name them. */
export interface KindTable {
  /** The same array as long as nothing changed. */
  readonly all: readonly Kind[];
  byPlural(group: string, version: string, plural: string): Kind | undefined;
}

/** Throws TypeError where two kinds claim one path: that is a wiring bug. */
export function kindTable(kinds: ServedKinds): KindTable {
  let read = { of: kinds.current(), byPath: byPathOf(kinds.current()) };
  return {
    get all() {
      return kinds.current();
    },
    byPlural(group, version, plural) {
      const current = kinds.current();
      if (read.of !== current) read = { of: current, byPath: byPathOf(current) };
      return read.byPath.get(`${apiVersionOf({ group, version })}/${plural}`);
    },
  };
}

function byPathOf(kinds: readonly Kind[]): ReadonlyMap<string, Kind> {
  const byPath = new Map<string, Kind>();
  for (const kind of kinds) {
    const path = `${apiVersionOf(kind)}/${kind.plural}`;
    if (byPath.has(path)) throw new TypeError(`Cannot serve two kinds at ${path}`);
    byPath.set(path, kind);
  }
  return byPath;
}
