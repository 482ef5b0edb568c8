import type {
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
  JSONSchemaProps,
} from '#api/generated/apiextensions-v1.ts';
import type { AdmissionContext, CustomFacts, FieldError, Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import type { Schema } from '#api/schema.ts';
import { compareVersions } from '#apiserver/discovery/group-version.ts';
import { valueErrors } from '#apiserver/admission/schema-value.ts';
import { hasRules, ruleErrors } from '#apiserver/cel/rule-errors.ts';

/** The kinds of a definition whose names are accepted: one for each version that is served. */
export function kindsOf(definition: CustomResourceDefinition, withdrawn: AbortSignal): Kind[] {
  const { spec } = definition;
  return spec.versions
    .filter(({ served }) => served)
    .map((version) => kindOf(definition, version, withdrawn));
}

/** The kind of one version, with the names that the definition asks for. */
function kindOf(
  definition: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
  withdrawn: AbortSignal,
): Kind {
  const { group, names, scope } = definition.spec;
  const { status, scale } = version.subresources ?? {};
  const schema = bodySchema(version.schema?.openAPIV3Schema);
  const wholeSchema = { ...schema, properties: { ...HEAD_SCHEMAS, ...schema.properties } };
  return Object.freeze({
    group,
    version: version.name,
    kind: names.kind,
    plural: names.plural,
    singular: names.singular ?? names.kind.toLowerCase(),
    shortNames: names.shortNames ?? [],
    categories: names.categories ?? [],
    // Validation let only these two in.
    scope: scope as Kind['scope'],
    schema,
    subresources: [...(status ? ['status' as const] : []), ...(scale ? ['scale' as const] : [])],
    columns: columnsOf(version),
    custom: { ...factsOf(definition, version, withdrawn), hasRules: hasRules(wholeSchema) },
    ...(version.deprecated && {
      deprecation: version.deprecationWarning ?? deprecationOf(definition.spec, version.name),
    }),
    validate: (object: KubeObject, { previous }: AdmissionContext<KubeObject>) => [
      ...nameErrors(version, object),
      ...ruleErrors(wholeSchema, object, { previous, path: '' }),
    ],
  });
}

/** A schema may say of the metadata what names are like, and nothing else. */
function nameErrors(
  { schema }: CustomResourceDefinitionVersion,
  { metadata }: KubeObject,
): FieldError[] {
  const fields = schema?.openAPIV3Schema?.properties?.['metadata']?.properties ?? {};
  return (['name', 'generateName'] as const).flatMap((name) => {
    const field = fields[name];
    const value = metadata[name];
    if (!field || value === undefined) return [];
    return valueErrors(field as Schema, value, `metadata.${name}`);
  });
}

function factsOf(
  { spec, metadata }: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
  withdrawn: AbortSignal,
): Omit<CustomFacts, 'hasRules'> {
  const scale = version.subresources?.scale;
  const { strategy, webhook } = spec.conversion ?? {};
  return {
    storageVersion: spec.versions.find(({ storage }) => storage)?.name ?? version.name,
    ...(strategy === 'Webhook' && webhook && { conversion: webhook }),
    ...(scale && { scale }),
    selectableFields: (version.selectableFields ?? []).map(({ jsonPath }) => jsonPath.slice(1)),
    isTerminating: metadata.deletionTimestamp !== undefined,
    withdrawn,
  };
}

/** Names the newest version to use instead, where there is a newer one. */
function deprecationOf(
  { group, names, versions }: CustomResourceDefinition['spec'],
  old: string,
): string {
  const [newest] = versions
    .filter(({ served, deprecated }) => served && !deprecated)
    .map(({ name }) => name)
    .toSorted(compareVersions);
  const isNewer = newest !== undefined && compareVersions(newest, old) < 0;
  const instead = isNewer ? `; use ${group}/${newest} ${names.kind}` : '';
  return `${group}/${old} ${names.kind} is deprecated${instead}`;
}

function columnsOf({
  additionalPrinterColumns = [],
}: CustomResourceDefinitionVersion): Kind['columns'] {
  return additionalPrinterColumns.map(({ type, ...column }) => ({
    ...column,
    // Validation let only these in.
    type: type as Kind['columns'][number]['type'],
  }));
}

/** What rules at the root may read of the fields that every object has. */
export const HEAD_SCHEMAS: Readonly<Record<string, Schema>> = {
  apiVersion: { type: 'string' },
  kind: { type: 'string' },
  metadata: {
    type: 'object',
    properties: { name: { type: 'string' }, generateName: { type: 'string' } },
  },
};
const HEAD = new Set(Object.keys(HEAD_SCHEMAS));

/** Without the fields that every object has, which are looked after apart. */
function bodySchema(schema: JSONSchemaProps = {}): Schema {
  const { properties = {}, required = [], ...rest } = schema;
  const body = Object.entries(properties).filter(([name]) => !HEAD.has(name));
  const demanded = required.filter((name) => !HEAD.has(name));
  return closed({
    // Validation made sure that it is a structural schema, which is what Schema describes.
    ...(rest as Schema),
    properties: Object.fromEntries(body) as Record<string, Schema>,
    ...(demanded.length > 0 && { required: demanded }),
  });
}

/** An object that says nothing of its fields has none, in a custom resource; in our own kinds it may have any. */
function closed(schema: Schema): Schema {
  const { properties, items, additionalProperties } = schema;
  const isOpen = schema['x-kubernetes-preserve-unknown-fields'] || additionalProperties;
  const fields = properties ?? (schema.type === 'object' && !isOpen ? {} : undefined);
  return {
    ...schema,
    ...(fields && {
      properties: Object.fromEntries(
        Object.entries(fields).map(([name, property]) => [name, closed(property)]),
      ),
    }),
    ...(items && { items: closed(items) }),
    ...(typeof additionalProperties === 'object' && {
      additionalProperties: closed(additionalProperties),
    }),
  };
}
