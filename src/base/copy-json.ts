/** A copy of what JSON can say, all the way down, to be changed: as structuredClone, in a fraction of its time. */
export function copyJson<T>(value: T): T;
export function copyJson(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => copyJson(item));
  if (typeof value !== 'object' || value === null) return value;
  // By the spread a field named __proto__ is one like any other, and stays so when it is assigned.
  const copy: Record<string, unknown> = { ...value };
  for (const [name, field] of Object.entries(copy)) {
    if (typeof field === 'object' && field !== null) copy[name] = copyJson(field);
  }
  return copy;
}
