/** A time as objects carry it: RFC 3339 in whole seconds, UTC. */
export function timestamp(at: Date, aheadSeconds = 0): string {
  const later = new Date(at.getTime() + aheadSeconds * 1000);
  return later.toISOString().replace(/\.\d+Z$/, 'Z');
}
