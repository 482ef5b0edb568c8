import type { FieldError } from '#api/kind.ts';
import {
  disallowed,
  invalidKey,
  invalidValue,
  oneOfErrors,
  outOfBounds,
} from '#api/meta/knative-error.ts';
import { dns1035Label, qualifiedName } from '#api/meta/name-errors.ts';
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
  const { revisionName = '', latestRevision } = target;
  const errors = referenceErrors(target, at, owner);
  if (latestRevision !== undefined && latestRevision !== (revisionName === '')) {
    const message = `may not set revisionName "${revisionName}" when latestRevision is ${latestRevision}`;
    errors.push({ path: `${at}.latestRevision`, message });
  }
  return errors;
}

/** A form of a name is looked at where only this name is there. */
function referenceErrors(
  { configurationName = '', revisionName = '' }: TrafficTarget,
  at: string,
  owner: 'Service' | 'Route',
): FieldError[] {
  if (owner === 'Service' && configurationName) return [disallowed(`${at}.configurationName`)];
  const names = { configurationName, revisionName };
  const found = (['configurationName', 'revisionName'] as const).filter((field) => names[field]);
  const [field] = found;
  if (!field || found.length > 1) {
    return owner === 'Service' && !field ? [] : oneOfErrors(found, { all: Object.keys(names), at });
  }
  const why = qualifiedName(names[field]);
  return why.length > 0 ? [invalidKey(names[field], `${at}.${field}`, why.join(', '))] : [];
}

function valueErrors(target: TrafficTarget, index: number): FieldError[] {
  const at = `spec.traffic[${index}]`;
  const percent = target.percent ?? 0;
  const errors: FieldError[] = [];
  if (percent < 0 || percent > 100) {
    errors.push(outOfBounds(percent, { low: 0, high: 100 }, `${at}.percent`));
  }
  const inTag = target.tag ? dns1035Label(target.tag) : [];
  if (inTag.length > 0) {
    // The index after the field is how clients know this one.
    const why = `not a DNS 1035 label: [${inTag.join(' ')}]`;
    errors.push(invalidValue(why, `spec.traffic.tag[${index}]`));
  }
  if (target.url) errors.push(disallowed(`${at}.url`));
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
