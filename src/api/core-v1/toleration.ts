import type { Taint, Toleration } from '#api/generated/core-v1.ts';

/** Whether a pod's toleration lets it be where the taint is; an empty key or effect means any. */
export function tolerates({ key, operator, value, effect }: Toleration, taint: Taint): boolean {
  if (effect && effect !== taint.effect) return false;
  if (key && key !== taint.key) return false;
  if (operator === 'Exists') return true;
  return Boolean(key) && (value ?? '') === (taint.value ?? '');
}
