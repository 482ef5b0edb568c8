import { resourceOf, type Kind } from '#api/kind.ts';

/** The kinds that objects are of, which on a cluster with custom resources change as it runs. */
export interface ServedKinds {
  /** The same array as long as nothing changed. */
  current(): readonly Kind[];
  /** Calls `listener` after each change, until disposed. */
  onChange(listener: () => void): Disposable;
}

/** Kinds that never change. */
export function fixedKinds(kinds: readonly Kind[]): ServedKinds {
  return { current: () => kinds, onChange: () => ({ [Symbol.dispose]() {} }) };
}

/**
 * The same objects are served in every version of their kind, and some as another kind too: here each kind is there once,
 * in the version it is stored in, where that is served, and what only shows another's objects is not.
 */
export function oneVersionOf(kinds: readonly Kind[]): readonly Kind[] {
  const stored = kinds.filter(({ storedAs }) => storedAs === undefined);
  return [...Map.groupBy(stored, resourceOf).values()].flatMap((versions) => {
    const own = versions.find(({ version, custom }) => custom?.storageVersion === version);
    return own ?? versions[0] ?? [];
  });
}
