import { definition } from '#api/definitions.ts';
import { apiVersionOf, type Kind } from '#api/kind.ts';
import { measuredKinds } from '#api/kinds.ts';
import type { Schema } from '#api/schema.ts';
import { definitionName } from '#apiserver/discovery/served-resource.ts';

type KindNames = NonNullable<PublishedSchema['x-kubernetes-group-version-kind']>;

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1';

/** A schema that is published says more than the port does: which kinds it is of. */
interface PublishedSchema extends Schema {
  readonly 'x-kubernetes-group-version-kind'?: readonly {
    readonly group: string;
    readonly version: string;
    readonly kind: string;
  }[];
}

/** How one version of OpenAPI spells a schema; called for every schema, with what is inside it converted already. */
export interface Dialect {
  reference(name: string): string;
  convert(schema: Schema): Schema;
}

/**
 * The schemas of `names` and of everything they refer to, by their full names in order. Kubernetes' own are generated;
 * those of `kinds` with a schema of their own are completed as a CRD's are, with a list beside each.
 */
export function componentSchemas(
  names: Iterable<string>,
  kinds: readonly Kind[],
  dialect: Dialect,
): Readonly<Record<string, Schema>> {
  const ours = new Map(
    [...kinds, ...measuredKinds].filter(({ schema }) => !schema.$ref).flatMap(ownSchemas),
  );
  // A set grows while it is iterated, so what a schema refers to is visited too.
  const wanted = new Set(names);
  const found: [string, Schema][] = [];
  for (const name of wanted) {
    const schema = ours.get(name) ?? definition(name);
    const published = publish(schema, {
      convert: (part) => dialect.convert(part),
      reference(to) {
        wanted.add(to);
        return dialect.reference(to);
      },
    });
    found.push([name, published]);
  }
  return Object.fromEntries(found.toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

function ownSchemas(kind: Kind): [string, PublishedSchema][] {
  const name = definitionName(kind);
  const { group, version } = kind;
  const of = (suffix: string): KindNames => [{ group, version, kind: `${kind.kind}${suffix}` }];
  const head: Readonly<Record<string, Schema>> = {
    apiVersion: { type: 'string' },
    kind: { type: 'string' },
  };
  const text = `${kind.kind} of ${apiVersionOf(kind)}`;
  return [
    [
      name,
      {
        ...kind.schema,
        type: 'object',
        description: kind.schema.description ?? text,
        properties: {
          ...head,
          metadata: { allOf: [{ $ref: `${META}.ObjectMeta` }] },
          ...kind.schema.properties,
        },
        'x-kubernetes-group-version-kind': of(''),
      },
    ],
    [
      `${name}List`,
      {
        type: 'object',
        required: ['items'],
        properties: {
          ...head,
          metadata: { allOf: [{ $ref: `${META}.ListMeta` }] },
          items: { type: 'array', items: { $ref: name } },
        },
        'x-kubernetes-group-version-kind': of('List'),
      },
    ],
  ];
}

function publish(schema: Schema, dialect: Dialect): Schema {
  // Ours alone, to infer types by; a property of that name is inside `properties` and stays.
  const { optional: _, static: __, ...facets } = schema;
  const inner = (part: Schema): Schema => publish(part, dialect);
  const { properties, items, additionalProperties, not, allOf, oneOf, anyOf, $ref } = facets;
  return dialect.convert({
    ...facets,
    ...($ref !== undefined && { $ref: dialect.reference($ref) }),
    ...(properties && {
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, property]) => [name, inner(property)]),
      ),
    }),
    ...(items && { items: inner(items) }),
    ...(typeof additionalProperties === 'object' && {
      additionalProperties: inner(additionalProperties),
    }),
    ...(not && { not: inner(not) }),
    ...(allOf && { allOf: allOf.map(inner) }),
    ...(oneOf && { oneOf: oneOf.map(inner) }),
    ...(anyOf && { anyOf: anyOf.map(inner) }),
  });
}
