import type { Kind } from '#api/kind.ts';
import type { GroupVersion } from '#apiserver/discovery/group-version.ts';
import { componentSchemas, type Dialect } from '#apiserver/openapi/component-schemas.ts';
import { pathItemsOf, type Operation, type PathItem } from '#apiserver/openapi/operation.ts';

const SCHEMAS = '#/components/schemas/';

const dialect: Dialect = {
  reference: (name) => `${SCHEMAS}${name}`,
  convert: (schema) => schema,
};

/** The OpenAPI 3.0 document of one group and version: /openapi/v3/apis/<group>/<version>. */
export function openApiV3(
  { resources }: GroupVersion,
  kinds: readonly Kind[],
  title: { readonly version: string },
): unknown {
  const items = resources.flatMap(pathItemsOf);
  return {
    openapi: '3.0.0',
    info: { title: 'Kubernetes', version: title.version },
    paths: Object.fromEntries(items.map((item) => [item.path, pathFields(item)])),
    components: {
      schemas: componentSchemas(schemasOf(items), kinds, dialect),
      securitySchemes: { BearerToken: { type: 'apiKey', name: 'authorization', in: 'header' } },
    },
    security: [{ BearerToken: [] }],
  };
}

/** The full names of every schema that the operations name themselves. */
export function schemasOf(items: readonly PathItem[]): Set<string> {
  const operations = items.flatMap((item) => item.operations);
  return new Set(
    operations.flatMap(({ body, reply }) => [body?.definition ?? [], reply ?? []].flat()),
  );
}

function pathFields({ parameters, operations }: PathItem): unknown {
  const inPath = parameters.map((name) => parameter(name, 'path', { type: 'string' }));
  const pretty = parameter('pretty', 'query', { type: 'string' });
  return {
    ...Object.fromEntries(operations.map((each) => [each.method, operationFields(each)])),
    parameters: [...inPath, pretty],
  };
}

function operationFields({ id, action, kind, query, body, reply }: Operation): unknown {
  return {
    operationId: id,
    ...(query.length > 0 && {
      parameters: query.map(({ name, type }) => parameter(name, 'query', { type })),
    }),
    ...(body && { requestBody: { content: contentOf(body.types, reference(body.definition)) } }),
    responses: {
      [action === 'post' ? '201' : '200']: {
        description: action === 'post' ? 'Created' : 'OK',
        content:
          reply === undefined
            ? contentOf(['text/plain'], { type: 'string' })
            : contentOf(['application/json'], reference(reply)),
      },
      '401': { description: 'Unauthorized' },
    },
    'x-kubernetes-action': action,
    'x-kubernetes-group-version-kind': kind,
  };
}

function parameter(
  name: string,
  place: 'path' | 'query',
  schema: { readonly type: string },
): unknown {
  const unique = place === 'path' ? {} : { uniqueItems: true };
  return {
    name,
    in: place,
    ...(place === 'path' && { required: true }),
    schema: { ...schema, ...unique },
  };
}

function contentOf(types: readonly string[], schema: object): Record<string, unknown> {
  return Object.fromEntries(types.map((type) => [type, { schema }]));
}

function reference(name: string): { readonly $ref: string } {
  return { $ref: `${SCHEMAS}${name}` };
}
