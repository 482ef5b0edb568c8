/**
 * Whether `a` is the version of a later write than `b`. Versions of one kind are decimal numbers that grow with every write
 * (Kubernetes promises so since 1.35, and every server before kept to it); they may exceed what a double holds.
 */
export function isLater(a: string, b: string): boolean {
  return a.length === b.length ? a > b : a.length > b.length;
}
