const CHARACTERS_MAX = 100;

/** What was found, for an error message: short, whatever a stranger's JSON holds. */
export function shown(value: unknown): string {
  if (typeof value !== 'string') return typeof value === 'number' ? `${value}` : typeof value;
  const text = value.length > CHARACTERS_MAX ? `${value.slice(0, CHARACTERS_MAX)}…` : value;
  return JSON.stringify(text);
}
