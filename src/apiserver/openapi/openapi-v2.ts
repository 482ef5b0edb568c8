import type { Kind } from '#api/kind.ts';
import type { Schema } from '#api/schema.ts';
import type { ServedResource } from '#apiserver/discovery/served-resource.ts';
import { componentSchemas, type Dialect } from '#apiserver/openapi/component-schemas.ts';
import { schemasOf } from '#apiserver/openapi/openapi-v3.ts';
import { pathItemsOf, type Operation } from '#apiserver/openapi/operation.ts';

const DEFINITIONS = '#/definitions/';

/** A parameter in OpenAPI 2.0: of the path, of the query, or the body. */
export interface ParameterV2 {
  readonly name: string;
  readonly in: 'path' | 'query' | 'body';
  readonly required?: boolean;
  readonly type?: string;
  readonly uniqueItems?: boolean;
  readonly schema?: Schema;
}
export interface OperationV2 {
  readonly operationId: string;
  readonly consumes: readonly string[];
  readonly produces: readonly string[];
  readonly parameters: readonly ParameterV2[];
  readonly responses: Readonly<Record<string, { description: string; schema?: Schema }>>;
  readonly 'x-kubernetes-action': string;
  readonly 'x-kubernetes-group-version-kind': Operation['kind'];
}
export interface PathItemV2 {
  readonly parameters: readonly ParameterV2[];
  readonly operations: Readonly<Partial<Record<Operation['method'], OperationV2>>>;
}
/** One document of everything; `paths` keeps operations apart from parameters until it is written. */
export interface OpenApiV2 {
  readonly info: { readonly title: string; readonly version: string };
  readonly paths: Readonly<Record<string, PathItemV2>>;
  readonly definitions: Readonly<Record<string, Schema>>;
}

export function openApiV2(
  resources: readonly ServedResource[],
  kinds: readonly Kind[],
  title: { readonly version: string },
): OpenApiV2 {
  const items = resources.flatMap(pathItemsOf);
  return {
    info: { title: 'Kubernetes', version: title.version },
    paths: Object.fromEntries(
      items.map(({ path, parameters, operations }) => [
        path,
        {
          parameters: [
            ...parameters.map((name) => inPath(name)),
            { name: 'pretty', in: 'query', type: 'string', uniqueItems: true },
          ],
          operations: Object.fromEntries(
            operations.map((each) => [each.method, operationV2(each)]),
          ),
        },
      ]),
    ),
    definitions: componentSchemas(schemasOf(items), kinds, dialect),
  };
}

/** The document as JSON text. */
export function openApiV2Json({ info, paths, definitions }: OpenApiV2): string {
  const flat = Object.entries(paths).map(([path, { parameters, operations }]) => [
    path,
    { ...operations, parameters },
  ]);
  return JSON.stringify({ swagger: '2.0', info, paths: Object.fromEntries(flat), definitions });
}

/** OpenAPI 2.0 knows neither unions nor null, and ignores what stands beside a reference. */
const dialect: Dialect = {
  reference: (name) => `${DEFINITIONS}${name}`,
  convert(schema) {
    const { default: _default, nullable: _nullable, anyOf: _anyOf, not: _not, ...rest } = schema;
    const { oneOf, allOf, ...kept } = rest;
    const only = allOf?.length === 1 ? allOf[0]?.$ref : undefined;
    if (only !== undefined) return { ...kept, $ref: only };
    // A Quantity, and an int-or-string, which clients know by its format: both are strings to OpenAPI 2.0.
    const isPlainUnion = oneOf?.every(({ type }) => type !== undefined && type !== 'object');
    return isPlainUnion && kept.type === undefined ? { type: 'string', ...kept } : kept;
  },
};

function operationV2({ id, action, kind, query, body, reply }: Operation): OperationV2 {
  const parameters: ParameterV2[] = query.map(({ name, type }) => ({
    name,
    in: 'query',
    type,
    uniqueItems: true,
  }));
  if (body) {
    const required = action === 'post' || action === 'put' || action === 'patch';
    parameters.unshift({ name: 'body', in: 'body', required, schema: reference(body.definition) });
  }
  return {
    operationId: id,
    consumes: body?.types ?? ['*/*'],
    produces: [reply === undefined ? 'text/plain' : 'application/json'],
    parameters,
    responses: {
      [action === 'post' ? '201' : '200']: {
        description: action === 'post' ? 'Created' : 'OK',
        schema: reply === undefined ? { type: 'string' } : reference(reply),
      },
      '401': { description: 'Unauthorized' },
    },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': kind,
  };
}

function inPath(name: string): ParameterV2 {
  return { name, in: 'path', required: true, type: 'string', uniqueItems: true };
}

function reference(name: string): Schema {
  return { $ref: `${DEFINITIONS}${name}` };
}
