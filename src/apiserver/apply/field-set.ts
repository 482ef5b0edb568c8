/**
 * A set of fields, in the form that `fieldsV1` has: a step of a path to what is below it. A node without steps is a field
 * of the set; one that is so although there are others below it has the step `.`. Never changed; no field at all is
 * undefined. Steps: `f:name` of an object, `k:{"name":"x"}` an element by its keys, `v:"x"` an element by its value.
 */
export interface FieldSet {
  readonly [step: string]: FieldSet;
}

const ITSELF = '.';
const MEMBER: FieldSet = {};

/** The set of the fields below, and of the field itself where `isMember`; undefined where that is none. */
export function fieldSet(
  below: Iterable<readonly [step: string, set: FieldSet | undefined]>,
  { isMember }: { readonly isMember: boolean },
): FieldSet | undefined {
  const steps: [string, FieldSet][] = [];
  for (const [step, set] of below) if (set) steps.push([step, set]);
  if (steps.length === 0) return isMember ? MEMBER : undefined;
  steps.sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(isMember ? [[ITSELF, MEMBER], ...steps] : steps);
}

export function isMember(set: FieldSet | undefined): boolean {
  return set !== undefined && (Object.hasOwn(set, ITSELF) || Object.keys(set).length === 0);
}

/** What is below a step. */
export function below(set: FieldSet | undefined, step: string): FieldSet | undefined {
  return set !== undefined && Object.hasOwn(set, step) ? set[step] : undefined;
}

export function union(
  one: FieldSet | undefined,
  other: FieldSet | undefined,
): FieldSet | undefined {
  if (one === undefined || other === undefined || one === other) return one ?? other;
  const steps = new Set([...stepsOf(one), ...stepsOf(other)]);
  const merged = Array.from(steps, (step) => [step, union(one[step], other[step])] as const);
  return fieldSet(merged, { isMember: isMember(one) || isMember(other) });
}

/** The fields of `set` that are not in `other`. */
export function difference(
  set: FieldSet | undefined,
  other: FieldSet | undefined,
): FieldSet | undefined {
  if (set === undefined || other === undefined) return set;
  const left = stepsOf(set).map(
    (step) => [step, difference(set[step], below(other, step))] as const,
  );
  return fieldSet(left, { isMember: isMember(set) && !isMember(other) });
}

export function intersection(
  one: FieldSet | undefined,
  other: FieldSet | undefined,
): FieldSet | undefined {
  if (one === undefined || other === undefined) return undefined;
  const both = stepsOf(one).map(
    (step) => [step, intersection(one[step], below(other, step))] as const,
  );
  return fieldSet(both, { isMember: isMember(one) && isMember(other) });
}

/** The paths of all fields as messages have them: `.spec.containers[name="x"].image`. */
export function pathsOf(set: FieldSet | undefined, path = ''): string[] {
  if (set === undefined) return [];
  const under = stepsOf(set).flatMap((step) => pathsOf(set[step], `${path}${stepText(step)}`));
  return isMember(set) ? [path, ...under] : under;
}

/** The set that a `fieldsV1` holds; undefined where it is none. */
export function parseFieldSet(value: unknown): FieldSet | undefined {
  return isFieldSet(value) && Object.keys(value).length > 0 ? value : undefined;
}

function isFieldSet(value: unknown): value is FieldSet {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  return Object.entries(value).every(
    ([step, set]) => (step === ITSELF || /^(f:|[kvi]:.)/.test(step)) && isFieldSet(set),
  );
}

function stepsOf(set: FieldSet): string[] {
  return Object.keys(set).filter((step) => step !== ITSELF);
}

/** As messages have it: `.image`, `[name="x"]`, `[="x"]`. */
export function stepText(step: string): string {
  const rest = step.slice(2);
  if (step.startsWith('f:')) return `.${rest}`;
  if (step.startsWith('v:')) return `[=${rest}]`;
  if (!step.startsWith('k:')) return `[${rest}]`;
  return `[${rest.slice(1, -1).replaceAll(/"([^"]+)":/g, '$1=')}]`;
}
