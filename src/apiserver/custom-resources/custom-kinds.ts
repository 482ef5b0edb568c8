import type {
  CustomResourceDefinition,
  CustomResourceDefinitionVersion,
  JSONSchemaProps,
} from '#api/generated/apiextensions-v1.ts';
import type { CustomFacts, Kind } from '#api/kind.ts';
import type { Schema } from '#api/schema.ts';

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
    schema: bodySchema(version.schema?.openAPIV3Schema),
    subresources: [...(status ? ['status' as const] : []), ...(scale ? ['scale' as const] : [])],
    columns: columnsOf(version),
    custom: factsOf(definition, version, withdrawn),
  });
}

function factsOf(
  { spec, metadata }: CustomResourceDefinition,
  version: CustomResourceDefinitionVersion,
  withdrawn: AbortSignal,
): CustomFacts {
  const schemaOfMetadata = version.schema?.openAPIV3Schema?.properties?.['metadata'];
  const scale = version.subresources?.scale;
  const apiVersion = `${spec.group}/${version.name}`;
  return {
    storageVersion: spec.versions.find(({ storage }) => storage)?.name ?? version.name,
    ...(schemaOfMetadata && { metadata: schemaOfMetadata as Schema }),
    ...(scale && { scale }),
    selectableFields: (version.selectableFields ?? []).map(({ jsonPath }) => jsonPath.slice(1)),
    ...(version.deprecated && {
      deprecation: version.deprecationWarning ?? `${apiVersion} ${spec.names.kind} is deprecated`,
    }),
    isTerminating: metadata.deletionTimestamp !== undefined,
    withdrawn,
  };
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

const HEAD = new Set(['apiVersion', 'kind', 'metadata']);

/** Without the fields that every object has, which are looked after apart. */
function bodySchema(schema: JSONSchemaProps = {}): Schema {
  const { properties = {}, required = [], ...rest } = schema;
  const body = Object.entries(properties).filter(([name]) => !HEAD.has(name));
  const demanded = required.filter((name) => !HEAD.has(name));
  return {
    // Validation made sure that it is a structural schema, which is what Schema describes.
    ...(rest as Schema),
    ...((properties || body.length > 0) && {
      properties: Object.fromEntries(body) as Record<string, Schema>,
    }),
    ...(demanded.length > 0 && { required: demanded }),
  };
}
