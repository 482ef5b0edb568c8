import type { Schema } from '#api/schema.ts';
import type {
  OpenApiV2,
  OperationV2,
  ParameterV2,
  PathItemV2,
} from '#apiserver/openapi/openapi-v2.ts';
import { embedded, isTrue, message, repeated, string, strings } from '#base/protobuf-writer.ts';

/*
 * OpenAPI 2.0 as protobuf, by the field numbers of gnostic's openapiv2/OpenAPIv2.proto: the one form in which kubectl
 * asks for /openapi/v2. Each function writes the message that its name says.
 */

export function gnosticDocument({ info, paths, definitions }: OpenApiV2): Buffer {
  return message(
    string(1, '2.0'),
    embedded(2, message(string(1, info.title), string(2, info.version))),
    embedded(
      8,
      repeated(2, Object.entries(paths), ([name, item]) => named(name, pathItem(item))),
    ),
    embedded(
      9,
      repeated(1, Object.entries(definitions), ([name, value]) => named(name, schema(value))),
    ),
  );
}

function pathItem({ parameters, operations }: PathItemV2): Uint8Array {
  const { get, put, post, delete: remove, patch } = operations;
  const written = (field: number, one: OperationV2 | undefined): Uint8Array =>
    embedded(field, one && operation(one));
  return message(
    written(2, get),
    written(3, put),
    written(4, post),
    written(5, remove),
    written(8, patch),
    repeated(9, parameters, parametersItem),
  );
}

function operation(value: OperationV2): Uint8Array {
  return message(
    string(5, value.operationId),
    strings(6, value.produces),
    strings(7, value.consumes),
    repeated(8, value.parameters, parametersItem),
    embedded(
      9,
      repeated(1, Object.entries(value.responses), ([code, { description, schema: of }]) =>
        // ResponseValue, Response, SchemaItem.
        named(
          code,
          embedded(1, message(string(1, description), embedded(2, of && embedded(1, schema(of))))),
        ),
      ),
    ),
    vendorExtensions(13, value),
  );
}

function parametersItem(value: ParameterV2): Uint8Array {
  const isBody = value.in === 'body';
  return embedded(1, isBody ? embedded(1, bodyParameter(value)) : embedded(2, nonBody(value)));
}

function bodyParameter(value: ParameterV2): Uint8Array {
  return message(
    string(2, value.name),
    string(3, value.in),
    isTrue(4, value.required),
    embedded(5, value.schema && schema(value.schema)),
  );
}

/** QueryParameterSubSchema and PathParameterSubSchema number their fields differently from the fifth on. */
function nonBody(value: ParameterV2): Uint8Array {
  const head = message(isTrue(1, value.required), string(2, value.in), string(4, value.name));
  return value.in === 'query'
    ? embedded(3, message(head, string(6, value.type), isTrue(20, value.uniqueItems)))
    : embedded(4, message(head, string(5, value.type), isTrue(19, value.uniqueItems)));
}

function schema(value: Schema): Uint8Array {
  const { type, items, properties, additionalProperties } = value;
  return message(
    string(1, value.$ref),
    string(2, value.format),
    string(4, value.description),
    strings(19, value.required),
    repeated(20, value.enum, any),
    embedded(21, additionalProperties === undefined ? undefined : additional(additionalProperties)),
    embedded(22, type && string(1, type)),
    embedded(23, items && embedded(1, schema(items))),
    embedded(
      25,
      properties &&
        repeated(1, Object.entries(properties), ([name, property]) =>
          named(name, schema(property)),
        ),
    ),
    vendorExtensions(31, value),
  );
}

/** AdditionalPropertiesItem */
function additional(value: Schema | boolean): Uint8Array {
  return typeof value === 'boolean' ? isTrue(2, value) : embedded(1, schema(value));
}

/** NamedAny for everything that begins with `x-`. */
function vendorExtensions(field: number, value: object): Uint8Array {
  const extensions = Object.entries(value).filter(([name]) => name.startsWith('x-'));
  return repeated(field, extensions, ([name, content]: [string, unknown]) =>
    named(name, any(content)),
  );
}

/** Any carries YAML, of which JSON is a part. */
function any(value: unknown): Uint8Array {
  return string(2, `${JSON.stringify(value)}\n`);
}

/** NamedSchema, NamedPathItem, NamedResponseValue and NamedAny are all alike. */
function named(name: string, value: Uint8Array): Uint8Array {
  return message(string(1, name), embedded(2, value));
}
