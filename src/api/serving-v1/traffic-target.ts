import type { FieldError } from '#api/kind.ts';
import { dns1035Error } from '#api/meta/dns-label.ts';
import { boolean, integer, object, optional, string, type Of } from '#api/schema.ts';

export type TrafficTarget = Of<typeof TrafficTarget>;
export const TrafficTarget = object({
  configurationName: optional(string()),
  latestRevision: optional(boolean()),
  percent: optional(integer({ format: 'int64' })),
  revisionName: optional(string()),
  tag: optional(string()),
  url: optional(string()),
});

export function defaultTrafficTarget(target: TrafficTarget): void {
  target.latestRevision ??= !target.revisionName;
  target.percent ??= 0;
}

/** `owner` is the kind that carries the targets: a Service fills in the Configuration itself. */
export function trafficErrors(
  targets: readonly TrafficTarget[],
  owner: 'Service' | 'Route',
): FieldError[] {
  const errors = targets.flatMap((target, index) => [
    ...nameErrors(target, `spec.traffic[${index}]`, owner),
    ...valueErrors(target, index),
  ]);
  const total = targets.reduce((sum, target) => sum + (target.percent ?? 0), 0);
  if (total !== 100) {
    errors.push({ path: 'spec.traffic', message: `Traffic targets sum to ${total}, want 100` });
  }
  return [...errors, ...duplicateTagErrors(targets)];
}

function nameErrors(target: TrafficTarget, at: string, owner: 'Service' | 'Route'): FieldError[] {
  const { configurationName, revisionName = '', latestRevision } = target;
  const errors: FieldError[] = [];
  const names = `${at}.configurationName, ${at}.revisionName`;
  if (owner === 'Service' && configurationName) {
    const path = `${at}.configurationName`;
    errors.push({ path, message: 'must not set the field(s)', reason: 'FieldValueForbidden' });
  }
  if (owner === 'Route' && configurationName && revisionName) {
    errors.push({ path: names, message: 'expected exactly one, got both' });
  }
  if (owner === 'Route' && !configurationName && !revisionName) {
    errors.push({ path: names, message: 'expected exactly one, got neither' });
  }
  if (latestRevision !== undefined && latestRevision !== (revisionName === '')) {
    const message = `may not set revisionName "${revisionName}" when latestRevision is ${latestRevision}`;
    errors.push({ path: `${at}.latestRevision`, message });
  }
  return errors;
}

function valueErrors(target: TrafficTarget, index: number): FieldError[] {
  const at = `spec.traffic[${index}]`;
  const percent = target.percent ?? 0;
  const errors: FieldError[] = [];
  if (percent < 0 || percent > 100) {
    errors.push({ path: `${at}.percent`, message: `expected 0 <= ${percent} <= 100` });
  }
  const tagError = target.tag ? dns1035Error(target.tag) : undefined;
  if (tagError) {
    // The index after the field is how clients know this one.
    const message = `invalid value: not a DNS 1035 label: [${tagError}]`;
    errors.push({ path: `spec.traffic.tag[${index}]`, message });
  }
  if (target.url) {
    const path = `${at}.url`;
    errors.push({ path, message: 'must not set the field(s)', reason: 'FieldValueForbidden' });
  }
  return errors;
}

function duplicateTagErrors(targets: readonly TrafficTarget[]): FieldError[] {
  const paths = new Map<string, string[]>();
  for (const [index, { tag }] of targets.entries()) {
    if (tag) paths.set(tag, [...(paths.get(tag) ?? []), `spec.traffic[${index}].tag`]);
  }
  return [...paths]
    .filter(([, at]) => at.length > 1)
    .map(([tag, at]) => ({
      path: at.join(', '),
      message: `Multiple definitions for "${tag}"`,
      reason: 'FieldValueDuplicate' as const,
    }));
}
