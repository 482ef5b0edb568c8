import type { CustomResourceDefinition, JSONSchemaProps } from '#api/generated/apiextensions-v1.ts';
import type { FieldError } from '#api/kind.ts';
import { CustomResourceDefinition as Definition } from '#api/apiextensions-v1/custom-resource-definition.ts';
import { invalid } from '#api/meta/api-error.ts';
import { required, wrongValue } from '#api/meta/field-error.ts';
import type { Schema } from '#api/schema.ts';
import type { AdmissionStep } from '#apiserver/admission/admit.ts';
import { walkSchema } from '#apiserver/admission/schema-walk.ts';
import { CompilationError, compile } from '#apiserver/cel/expression.ts';

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
      return schemaErrors(schema?.openAPIV3Schema ?? {}, `${path}.openAPIV3Schema`, 0);
    });
    if (errors.length === 0) return Promise.resolve(undefined);
    return Promise.reject(invalid(Definition, metadata.name ?? '', errors));
  },
};

/** Validation, which comes later, refuses what nests deeper. */
const DEPTH_MAX = 50;

function schemaErrors(schema: JSONSchemaProps, path: string, depth: number): FieldError[] {
  if (depth > DEPTH_MAX) return [];
  const errors = [
    ...(schema['x-kubernetes-validations'] ?? []).flatMap((rule, index) =>
      ruleErrors(rule, `${path}.x-kubernetes-validations[${index}]`),
    ),
    ...defaultErrors(schema, `${path}.default`),
  ];
  const inner = (part: unknown, at: string): void => {
    if (typeof part !== 'object' || part === null || Array.isArray(part)) return;
    errors.push(...schemaErrors(part, at, depth + 1));
  };
  for (const [name, property] of Object.entries(schema.properties ?? {})) {
    inner(property, `${path}.properties[${name}]`);
  }
  inner(schema.items, `${path}.items`);
  inner(schema.additionalProperties, `${path}.additionalProperties`);
  return errors;
}

type Rule = NonNullable<JSONSchemaProps['x-kubernetes-validations']>[number];

function ruleErrors(rule: Rule, path: string): FieldError[] {
  if (rule.rule.trim() === '') return [required(`${path}.rule`, 'rule is not specified')];
  const errors = [
    ...compileErrors(rule, 'rule', path),
    ...(rule.messageExpression ? compileErrors(rule, 'messageExpression', path) : []),
  ];
  if (rule.message?.includes('\n')) {
    errors.push(wrongValue(`${path}.message`, rule.message, 'must not contain line breaks'));
  }
  if (rule.reason && !REASONS.includes(rule.reason)) {
    const list = REASONS.map((each) => JSON.stringify(each)).join(', ');
    const message = `Unsupported value: ${JSON.stringify(rule.reason)}: supported values: ${list}`;
    errors.push({ path: `${path}.reason`, message, reason: 'FieldValueNotSupported' });
  }
  if (rule.optionalOldSelf) {
    const why = 'rules with an optional oldSelf are not supported by this server';
    errors.push(wrongValue(`${path}.optionalOldSelf`, true, why));
  }
  return errors;
}

function compileErrors(
  rule: Rule,
  field: 'rule' | 'messageExpression',
  path: string,
): FieldError[] {
  try {
    compile(rule[field] ?? '');
    return [];
  } catch (error) {
    if (!(error instanceof CompilationError)) throw error;
    const why = `compilation failed: ERROR: ${error.message}`;
    return [wrongValue(`${path}.${field}`, rule[field], why)];
  }
}

function defaultErrors(schema: JSONSchemaProps, path: string): FieldError[] {
  if (schema.default === undefined) return [];
  const holder = { value: structuredClone(schema.default) };
  // What is not structural in it, validation says.
  const { default: _, ...rest } = schema as Schema;
  const { errors, unknown } = walkSchema({ type: 'object', properties: { value: rest } }, holder);
  if (unknown.length > 0) return [wrongValue(path, schema.default, 'must not have unknown fields')];
  return errors.map((error) => ({
    ...error,
    path: path + error.path.slice('value'.length),
    message: error.message.replace(/\bvalue( in body)/, '$1'),
  }));
}
