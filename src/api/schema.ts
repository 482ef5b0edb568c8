/**
 * The shapes a CRD's structural schema allows, as plain OpenAPI v3 data. The static type is read off the value:
 * `type Target = Of<typeof Target>`. `optional` marks a property and is not part of the published schema.
 */
export interface Schema<T = unknown> {
  readonly type?: 'string' | 'integer' | 'number' | 'boolean' | 'array' | 'object';
  readonly description?: string;
  readonly format?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly additionalProperties?: Schema | boolean;
  readonly items?: Schema;
  readonly required?: readonly string[];
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly exclusiveMinimum?: boolean;
  readonly exclusiveMaximum?: boolean;
  readonly multipleOf?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly minProperties?: number;
  readonly maxProperties?: number;
  readonly default?: unknown;
  readonly nullable?: boolean;
  /** A definition of Kubernetes' own, by its full name: `io.k8s.api.core.v1.PodSpec`. See definitions.ts. */
  readonly $ref?: string;
  readonly allOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
  readonly anyOf?: readonly Schema[];
  readonly not?: Schema;
  readonly 'x-kubernetes-int-or-string'?: boolean;
  readonly 'x-kubernetes-preserve-unknown-fields'?: boolean;
  readonly 'x-kubernetes-embedded-resource'?: boolean;
  readonly 'x-kubernetes-list-type'?: 'atomic' | 'set' | 'map';
  readonly 'x-kubernetes-list-map-keys'?: readonly string[];
  readonly 'x-kubernetes-map-type'?: 'atomic' | 'granular';
  readonly 'x-kubernetes-patch-strategy'?: string;
  readonly 'x-kubernetes-patch-merge-key'?: string;
  readonly 'x-kubernetes-validations'?: readonly ValidationRule[];
  readonly optional?: boolean;
  readonly static?: T;
}
/** A rule in CEL about a value; see Kubernetes' documentation of CustomResourceDefinitions. */
interface ValidationRule {
  readonly rule: string;
  readonly message?: string;
  readonly messageExpression?: string;
  readonly reason?: string;
  readonly fieldPath?: string;
  readonly optionalOldSelf?: boolean;
}

export type Of<S> = S extends Schema<infer T> ? T : never;

type OptionalKeys<P> = { [K in keyof P]: P[K] extends { optional: true } ? K : never }[keyof P];
export type Fields<P> = { [K in Exclude<keyof P, OptionalKeys<P>>]: Of<P[K]> } & {
  [K in OptionalKeys<P>]?: Of<P[K]>;
};

/** What a schema may say beside its type. */
export type Facets = Omit<
  Schema,
  'type' | 'properties' | 'items' | 'required' | 'optional' | 'static'
>;

export function string<const E extends string = string>(
  facets: Facets & { readonly enum?: readonly E[] } = {},
): Schema<E> {
  return { type: 'string', ...facets };
}
export function integer(facets: Facets = {}): Schema<number> {
  return { type: 'integer', ...facets };
}
export function boolean(facets: Facets = {}): Schema<boolean> {
  return { type: 'boolean', ...facets };
}
export function array<S extends Schema>(items: S, facets: Facets = {}): Schema<Of<S>[]> {
  return { type: 'array', items, ...facets };
}
/** A map with string keys. */
export function map<S extends Schema>(
  values: S,
  facets: Facets = {},
): Schema<Record<string, Of<S>>> {
  return { type: 'object', additionalProperties: values, ...facets };
}
export function intOrString(facets: Facets = {}): Schema<number | string> {
  return { 'x-kubernetes-int-or-string': true, ...facets };
}
/** A definition of Kubernetes' own; `T` is its generated type: `core<PodSpec>('io.k8s.api.core.v1.PodSpec')`. */
export function core<T>(definition: string): Schema<T> {
  return { $ref: definition };
}
export function optional<S extends Schema>(schema: S): S & { readonly optional: true } {
  return { ...schema, optional: true };
}
export function object<const P extends Readonly<Record<string, Schema>>>(
  properties: P,
  facets: Facets = {},
): Schema<Fields<P>> {
  const required = Object.keys(properties).filter((name) => !properties[name]?.optional);
  return { type: 'object', properties, ...(required.length > 0 && { required }), ...facets };
}
