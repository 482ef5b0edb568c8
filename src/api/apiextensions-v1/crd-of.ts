import type { CustomResourceDefinition, JSONSchemaProps } from '#api/generated/apiextensions-v1.ts';
import { dereference } from '#api/definitions.ts';
import { apiVersionOf, resourceOf, type Kind } from '#api/kind.ts';
import type { Schema } from '#api/schema.ts';

/** The manifest by which a foreign cluster serves a kind of ours: what its file says, in a CRD's words. */
export function crdOf(kind: Kind): CustomResourceDefinition {
  const { group, version, plural, singular, shortNames, categories, scope, columns } = kind;
  const hasStatus = kind.subresources.includes('status');
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: resourceOf(kind), labels: labelsOf(kind) },
    spec: {
      group,
      scope,
      names: {
        kind: kind.kind,
        listKind: `${kind.kind}List`,
        plural,
        singular,
        ...(shortNames.length > 0 && { shortNames: [...shortNames] }),
        ...(categories.length > 0 && { categories: [...categories] }),
      },
      versions: [
        {
          name: version,
          served: true,
          storage: true,
          schema: { openAPIV3Schema: wholeSchema(kind) },
          ...(hasStatus && { subresources: { status: {} } }),
          ...(columns.length > 0 && {
            additionalPrinterColumns: columns.map((each) => ({ ...each })),
          }),
        },
      ],
      conversion: { strategy: 'None' },
    },
  };
}

/** By which others find what is Serving's, and kinds that have an address or pods. */
function labelsOf({ ducks = [] }: Kind): Record<string, string> {
  return {
    'app.kubernetes.io/name': 'knative-serving',
    'knative.dev/crd-install': 'true',
    ...Object.fromEntries(ducks.map((duck) => [`duck.knative.dev/${duck}`, 'true'])),
  };
}

function wholeSchema(kind: Kind): JSONSchemaProps {
  const { properties, ...rest } = structural(kind.schema, kind.schema.$ref !== undefined);
  return {
    description: `${kind.kind} of ${apiVersionOf(kind)}`,
    ...rest,
    type: 'object',
    properties: {
      apiVersion: { type: 'string' },
      kind: { type: 'string' },
      metadata: { type: 'object' },
      ...properties,
    },
  };
}

const INT_OR_STRING: JSONSchemaProps = {
  anyOf: [{ type: 'integer' }, { type: 'string' }],
  'x-kubernetes-int-or-string': true,
};

/**
 * References are replaced by what they name, and what only our own server understands is left out. `isCore`: inside
 * Kubernetes' own definitions, whose defaults are the zero values of Go and whose lists need not be there.
 */
function structural(reference: Schema, isCore: boolean): JSONSchemaProps {
  const isInCore =
    isCore || reference.$ref !== undefined || reference.allOf?.[0]?.$ref !== undefined;
  const schema = dereference(reference);
  if (isUnion(schema)) return INT_OR_STRING;
  const { properties, items, additionalProperties, required } = schema;
  const demanded = required?.filter((name) => !isInCore || isDemanded(properties?.[name]));
  const isOpen =
    schema['x-kubernetes-preserve-unknown-fields'] === true ||
    additionalProperties === true ||
    (!properties &&
      !additionalProperties &&
      (schema.type === undefined || schema.type === 'object'));
  return {
    ...facetsOf(schema, isInCore),
    ...(isOpen && { 'x-kubernetes-preserve-unknown-fields': true }),
    ...(properties && {
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, each]) => [name, structural(each, isInCore)]),
      ),
    }),
    ...(items && { items: withRequired(structural(items, isInCore), keysOf(schema)) }),
    ...(typeof additionalProperties === 'object' && {
      additionalProperties: structural(additionalProperties, isInCore),
    }),
    ...(demanded && demanded.length > 0 && { required: demanded }),
  };
}

function keysOf(schema: Schema): readonly string[] {
  return schema['x-kubernetes-list-map-keys'] ?? [];
}

/** The keys of a list's elements must be there, or have a default. */
function withRequired(items: JSONSchemaProps, keys: readonly string[]): JSONSchemaProps {
  const without = keys.filter((key) => items.properties?.[key]?.default === undefined);
  const required = [...new Set([...(items.required ?? []), ...without])];
  return required.length > 0 ? { ...items, required } : items;
}

const FACETS = [
  'type',
  'description',
  'format',
  'enum',
  'pattern',
  'minimum',
  'maximum',
  'minLength',
  'maxLength',
  'minItems',
  'maxItems',
  'nullable',
  'x-kubernetes-embedded-resource',
  'x-kubernetes-list-type',
  'x-kubernetes-list-map-keys',
  'x-kubernetes-map-type',
] as const;

function facetsOf(schema: Schema, isCore: boolean): JSONSchemaProps {
  const facets = FACETS.filter((name) => schema[name] !== undefined).map((name) => [
    name,
    schema[name],
  ]);
  const keepsDefault = schema.default !== undefined && !(isCore && isZero(schema.default));
  return {
    // Each name is one of a CRD's schema too, and means the same there.
    ...(Object.fromEntries(facets) as JSONSchemaProps),
    ...(keepsDefault && { default: schema.default }),
  };
}

/** Quantities and ports: a number or a string. */
function isUnion({ oneOf, format, ...schema }: Schema): boolean {
  if (schema['x-kubernetes-int-or-string'] || format === 'int-or-string') return true;
  return oneOf?.length === 2 && oneOf.every(({ type }) => type === 'string' || type === 'number');
}

function isDemanded(schema: Schema | undefined): boolean {
  return schema !== undefined && schema.default === undefined && schema.type !== 'array';
}

function isZero(value: unknown): boolean {
  return (
    value === '' ||
    value === 0 ||
    value === false ||
    (typeof value === 'object' && value !== null && Object.keys(value).length === 0)
  );
}
