import type { CelInput } from '@bufbuild/cel';
import type { FieldError } from '#api/kind.ts';
import type { Schema } from '#api/schema.ts';
import { elementPath, fieldPath } from '#apiserver/admission/field-path.ts';
import { CelValues } from '#apiserver/cel/cel-value.ts';
import { CelBudget } from '#apiserver/cel/cost.ts';
import { compile, EvaluationError, type Expression } from '#apiserver/cel/expression.ts';

type Rule = NonNullable<Schema['x-kubernetes-validations']>[number];

interface CompiledRule {
  readonly rule: Rule;
  readonly expression: Expression;
  readonly message: Expression | undefined;
}

/** All the rules of one object. */
interface Walk {
  readonly errors: FieldError[];
  readonly values: CelValues;
  readonly budget: CelBudget;
}

const OUT_OF_BUDGET =
  'validation failed due to running out of cost budget, no further validation rules will be run';

/** What the CEL rules of a schema (`x-kubernetes-validations`) say against a value that fits its types. */
export function ruleErrors(
  schema: Schema,
  value: unknown,
  { previous, path }: { readonly previous: unknown; readonly path: string },
): FieldError[] {
  if (!hasRules(schema)) return [];
  const walk: Walk = { errors: [], values: new CelValues(), budget: new CelBudget() };
  visit(schema, value, { previous, path, walk });
  return walk.errors;
}

const withRules = new WeakMap<Schema, boolean>();

/** Whether there is a rule anywhere in it. */
export function hasRules(schema: Schema): boolean {
  let found = withRules.get(schema);
  if (found === undefined) {
    const { properties = {}, items, additionalProperties } = schema;
    found =
      schema['x-kubernetes-validations'] !== undefined ||
      Object.values(properties).some(hasRules) ||
      (items !== undefined && hasRules(items)) ||
      (typeof additionalProperties === 'object' && hasRules(additionalProperties));
    withRules.set(schema, found);
  }
  return found;
}

interface Place {
  readonly previous: unknown;
  readonly path: string;
  readonly walk: Walk;
}

function visit(schema: Schema, value: unknown, { previous, path, walk }: Place): void {
  if (value === null || !hasRules(schema) || walk.budget.isSpent) return;
  for (const compiled of compiledRules(schema)) {
    const error = errorOf(compiled, schema, { value, previous, path, walk });
    if (error) walk.errors.push(error);
    if (!walk.budget.isSpent) continue;
    walk.errors.push(failure({ rule: {}, path, type: schema.type ?? 'object' }, OUT_OF_BUDGET));
    return;
  }
  if (Array.isArray(value)) {
    const { items } = schema;
    if (!items) return;
    for (const [index, item] of (value as unknown[]).entries()) {
      const before = correlated(schema, item, previous);
      visit(items, item, { previous: before, path: elementPath(path, index), walk });
    }
  } else if (isFields(value)) {
    const { properties, additionalProperties } = schema;
    for (const [name, field] of Object.entries(value)) {
      const own = properties && Object.hasOwn(properties, name) ? properties[name] : undefined;
      const inner = own ?? (typeof additionalProperties === 'object' && additionalProperties);
      if (!inner) continue;
      const before =
        isFields(previous) && Object.hasOwn(previous, name) ? previous[name] : undefined;
      visit(inner, field, { previous: before, path: fieldPath(path, name), walk });
    }
  }
}

/** Which element was this one before: only a map's keys tell. */
function correlated(schema: Schema, item: unknown, previous: unknown): unknown {
  if (schema['x-kubernetes-list-type'] !== 'map' || !Array.isArray(previous)) return undefined;
  const keys = schema['x-kubernetes-list-map-keys'] ?? [];
  return previous.find(
    (other: unknown) =>
      isFields(item) && isFields(other) && keys.every((key) => item[key] === other[key]),
  ) as unknown;
}

const compiledBySchema = new WeakMap<Schema, readonly CompiledRule[]>();

/** Validation of the definition let only rules in that compile. */
function compiledRules(schema: Schema): readonly CompiledRule[] {
  let found = compiledBySchema.get(schema);
  if (!found) {
    found = (schema['x-kubernetes-validations'] ?? []).map((rule) => ({
      rule,
      expression: compile(rule.rule),
      message: rule.messageExpression ? compile(rule.messageExpression) : undefined,
    }));
    compiledBySchema.set(schema, found);
  }
  return found;
}

function errorOf(
  { rule, expression, message }: CompiledRule,
  schema: Schema,
  { value, previous, path, walk }: Place & { readonly value: unknown },
): FieldError | undefined {
  const isTransition = expression.uses('oldSelf');
  // A rule about a change says nothing of what is new, unless it asks to.
  if (isTransition && previous === undefined && !rule.optionalOldSelf) return undefined;
  const { values, budget } = walk;
  const evaluate = (what: Expression): unknown =>
    budget.run(() =>
      what.evaluate({
        self: values.of(schema, value),
        ...(isTransition && {
          oldSelf: rule.optionalOldSelf
            ? optional(previous, values.of(schema, previous))
            : values.of(schema, previous),
        }),
      }),
    );
  const at = rule.fieldPath ? `${path}${rule.fieldPath}` : path;
  const type = schema.type ?? 'object';
  try {
    if (evaluate(expression) === true) return undefined;
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    const text = rule.message ?? rule.rule;
    return failure({ rule: {}, path, type }, `${error.message} evaluating rule: ${text}`);
  }
  return failure(
    { rule, path: at, type },
    spoken(message, evaluate) ?? rule.message ?? `failed rule: ${rule.rule}`,
  );
}

function optional(value: unknown, asCel: CelInput): CelInput {
  return value === undefined ? [] : [asCel];
}

/** A message that cannot be made is passed over, as Kubernetes does. */
function spoken(
  message: Expression | undefined,
  evaluate: (message: Expression) => unknown,
): string | undefined {
  if (!message) return undefined;
  try {
    const text = evaluate(message);
    return typeof text === 'string' && text.trim() !== '' && !text.includes('\n')
      ? text
      : undefined;
  } catch (error) {
    if (!(error instanceof EvaluationError)) throw error;
    return undefined;
  }
}

function failure(
  { rule, path: at, type }: { rule: Pick<Rule, 'reason'>; path: string; type: string },
  text: string,
): FieldError {
  // As Kubernetes names the object itself.
  const path = at === '' ? '<nil>' : at;
  switch (rule.reason) {
    case 'FieldValueForbidden':
      return { path, message: `Forbidden: ${text}`, reason: 'FieldValueForbidden' };
    case 'FieldValueRequired':
      return { path, message: `Required value: ${text}`, reason: 'FieldValueRequired' };
    case 'FieldValueDuplicate':
      return { path, message: `Duplicate value: "${type}"`, reason: 'FieldValueDuplicate' };
    case 'FieldValueInvalid':
    case undefined:
    default:
      return { path, message: `Invalid value: "${type}": ${text}` };
  }
}

function isFields(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
