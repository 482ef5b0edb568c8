import type { Clock } from '#base/clock.ts';

/** RFC 3339 with whole seconds, as every time in an object's metadata is. */
export function timestamp(clock: Clock, aheadSeconds = 0): string {
  const at = new Date(clock.now().getTime() + aheadSeconds * 1000);
  return at.toISOString().replace(/\.\d+Z$/, 'Z');
}
