import { apiVersionOf, type Kind } from '#api/kind.ts';

/** The kinds a server knows, found as requests name them. */
export interface KindTable {
  readonly all: readonly Kind[];
  byPlural(group: string, version: string, plural: string): Kind | undefined;
}

/** Throws TypeError where two kinds claim one path: that is a wiring bug. */
export function kindTable(kinds: readonly Kind[]): KindTable {
  const byPath = new Map<string, Kind>();
  for (const kind of kinds) {
    const path = `${apiVersionOf(kind)}/${kind.plural}`;
    if (byPath.has(path)) throw new TypeError(`Cannot serve two kinds at ${path}`);
    byPath.set(path, kind);
  }
  return {
    all: kinds,
    byPlural: (group, version, plural) =>
      byPath.get(`${apiVersionOf({ group, version })}/${plural}`),
  };
}
