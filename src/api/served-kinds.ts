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

/** The same objects are served in every version of their kind: here each kind is there once, in its first version. */
export function oneVersionOf(kinds: readonly Kind[]): readonly Kind[] {
  return [...Map.groupBy(kinds, resourceOf).values()].flatMap(([first]) => first ?? []);
}
