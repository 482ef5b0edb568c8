import type { CustomResourceDefinition } from '#api/generated/apiextensions-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { CustomResourceDefinition as Definition } from '#api/apiextensions-v1/custom-resource-definition.ts';
import { invalid } from '#api/meta/api-error.ts';
import { required, wrongValue } from '#api/meta/field-error.ts';
import type { Schema } from '#api/schema.ts';
import type { AdmissionStep } from '#apiserver/admission/admit.ts';
import { walkSchema } from '#apiserver/admission/schema-walk.ts';
import { CompilationError } from '#apiserver/cel/compilation-error.ts';
import { resultOf } from '#apiserver/cel/expression.ts';
import { HEAD_SCHEMAS } from '#apiserver/custom-resources/custom-kinds.ts';

const REASONS = [
  'FieldValueDuplicate',
  'FieldValueForbidden',
  'FieldValueInvalid',
  'FieldValueRequired',
];

/** Refuses definitions whose CEL rules do not compile, or whose defaults do not fit their schemas. */
export const definitionCheck: AdmissionStep = {
  handles: (kind) => kind === Definition,
  admit(object, { subresource }) {
    if (subresource !== undefined) return Promise.resolve(undefined);
    // handles() let only definitions come here.
    const { spec, metadata } = object as CustomResourceDefinition;
    const isSingle = spec.versions?.length === 1;
    const errors = (spec.versions ?? []).flatMap(({ schema }, index) => {
      const path = isSingle ? 'spec.validation' : `spec.versions[${index}].schema`;
      const root = schema?.openAPIV3Schema ?? {};
      // Validation, which comes later, says what is not structural in it.
      const own = { ...root, properties: { ...root.properties, ...HEAD_SCHEMAS } } as Schema;
      return schemaErrors(own, `${path}.openAPIV3Schema`, { depth: 0 });
    });
    if (errors.length === 0) return Promise.resolve(undefined);
    return Promise.reject(invalid(Definition, metadata.name ?? '', errors));
  },
};

/** Validation, which comes later, refuses what nests deeper. */
const DEPTH_MAX = 50;

interface Place {
  readonly depth: number;
  /** Of the list or map whose elements have nothing to be known again by; absent outside of such. */
  readonly uncorrelatable?: string;
}

function schemaErrors(schema: Schema, path: string, place: Place): FieldError[] {
  if (place.depth > DEPTH_MAX) return [];
  const errors = [
    ...(schema['x-kubernetes-validations'] ?? []).flatMap((rule, index) =>
      ruleErrors(rule, `${path}.x-kubernetes-validations[${index}]`, { schema, ...place }),
    ),
    ...defaultErrors(schema, `${path}.default`),
  ];
  const depth = place.depth + 1;
  const forgets = (isForgetful: boolean): Place => {
    const uncorrelatable = place.uncorrelatable ?? (isForgetful ? path : undefined);
    return { depth, ...(uncorrelatable !== undefined && { uncorrelatable }) };
  };
  const inFields = forgets(schema['x-kubernetes-map-type'] === 'atomic');
  const inItems = forgets(schema['x-kubernetes-list-type'] !== 'map');
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    errors.push(...schemaErrors(property, `${path}.properties[${name}]`, inFields));
  }
  const { items, additionalProperties } = schema;
  if (typeof items === 'object' && !Array.isArray(items)) {
    errors.push(...schemaErrors(items, `${path}.items`, inItems));
  }
  if (typeof additionalProperties === 'object') {
    errors.push(...schemaErrors(additionalProperties, `${path}.additionalProperties`, inFields));
  }
  return errors;
}

type Rule = NonNullable<Schema['x-kubernetes-validations']>[number];

function ruleErrors(
  rule: Rule,
  path: string,
  place: Place & { readonly schema: Schema },
): FieldError[] {
  if (rule.rule.trim() === '') return [required(`${path}.rule`, 'rule is not specified')];
  const errors = [
    ...compileErrors(rule, 'rule', { path, schema: place.schema }),
    ...(rule.messageExpression
      ? compileErrors(rule, 'messageExpression', { path, schema: place.schema })
      : []),
  ];
  if (rule.message?.includes('\n')) {
    errors.push(wrongValue(`${path}.message`, rule.message, 'must not contain line breaks'));
  }
  if (rule.reason && !REASONS.includes(rule.reason)) {
    const list = REASONS.map((each) => JSON.stringify(each)).join(', ');
    const message = `Unsupported value: ${JSON.stringify(rule.reason)}: supported values: ${list}`;
    errors.push({ path: `${path}.reason`, message, reason: 'FieldValueNotSupported' });
  }
  const usesOldSelf = /\boldSelf\b/.test(rule.rule);
  if (rule.optionalOldSelf !== undefined && !usesOldSelf) {
    const why = 'may not be set if oldSelf is not used in rule';
    errors.push(wrongValue(`${path}.optionalOldSelf`, rule.optionalOldSelf, why));
  }
  if (usesOldSelf && place.uncorrelatable !== undefined) {
    const why = `oldSelf cannot be used on the uncorrelatable portion of the schema within ${place.uncorrelatable}`;
    errors.push(wrongValue(`${path}.rule`, rule.rule, why));
  }
  return errors;
}

const RESULTS = {
  rule: { type: 'boolean', complaint: 'cel expression must evaluate to a bool' },
  messageExpression: { type: 'string', complaint: 'messageExpression must evaluate to a string' },
} as const;

function compileErrors(
  rule: Rule,
  field: keyof typeof RESULTS,
  { path, schema }: { readonly path: string; readonly schema: Schema },
): FieldError[] {
  const complain = (why: string): FieldError[] => [
    wrongValue(`${path}.${field}`, rule[field], why),
  ];
  try {
    const oldSelf = rule.optionalOldSelf ? {} : schema;
    const { type } = resultOf(rule[field] ?? '', { self: schema, oldSelf });
    const wanted = RESULTS[field];
    return type === undefined || type === wanted.type ? [] : complain(wanted.complaint);
  } catch (error) {
    if (!(error instanceof CompilationError)) throw error;
    return complain(`compilation failed: ERROR: ${error.message}`);
  }
}

function defaultErrors(schema: Schema, path: string): FieldError[] {
  if (schema.default === undefined) return [];
  const holder = { value: structuredClone(schema.default) };
  // What is not structural in it, validation says.
  const { default: _, ...rest } = schema;
  const { errors, unknown } = walkSchema({ type: 'object', properties: { value: rest } }, holder);
  if (unknown.length > 0) return [wrongValue(path, schema.default, 'must not have unknown fields')];
  return errors.map((error) => ({
    ...error,
    path: path + error.path.slice('value'.length),
    message: error.message.replace(/\bvalue( in body)/, '$1'),
  }));
}
