import type { WebhookConversion } from '#api/generated/apiextensions-v1.ts';
import type { FieldError } from '#api/meta/field-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { object, optional, type Of, type Schema } from '#api/schema.ts';
import type { ServingSettings } from '#api/serving-config/config-maps.ts';

export interface Column {
  readonly name: string;
  readonly type: 'string' | 'integer' | 'number' | 'boolean' | 'date';
  /** Kubernetes' restricted JSONPath, with a leading dot. */
  readonly jsonPath: string;
  /** Shown only in wide output when above 0. */
  readonly priority?: number;
  readonly format?: string;
  readonly description?: string;
}

export type { FieldError };

/** What defaulting and validation may know besides the object: nothing is read, everything is handed in. */
export interface AdmissionContext<T> {
  readonly operation: 'CREATE' | 'UPDATE';
  readonly username: string;
  readonly previous?: T;
  /** What of the object the write is about, where it is not all of it. */
  readonly subresource?: string;
  /** What the ConfigMaps of Serving say; absent, what they say in a new cluster. */
  readonly serving?: ServingSettings;
}

/** Of a kind that a CustomResourceDefinition defines, what the server needs beyond the kind. */
export interface CustomFacts {
  /** The version in which objects of every version are stored. */
  readonly storageVersion: string;
  /** Who knows what an object of one version is in another; absent where only the version's name changes. */
  readonly conversion?: WebhookConversion;
  /** JSONPaths with a leading dot. */
  readonly scale?: {
    readonly specReplicasPath: string;
    readonly statusReplicasPath: string;
    readonly labelSelectorPath?: string;
  };
  /** `spec.color`: what field selectors may name besides the metadata. */
  readonly selectableFields: readonly string[];
  /** Its schema has CEL rules, which are not run on what has another shape than it says. */
  readonly hasRules: boolean;
  /** Its definition is being deleted: nothing new is accepted. */
  readonly isTerminating: boolean;
  /** Aborted when this kind is served no more, or another takes its place. */
  readonly withdrawn: AbortSignal;
}

/** How one kind's objects are kept as another's: `events.k8s.io` Events are core Events in other words. */
export interface StoredAs {
  readonly kind: Kind;
  /** Both lose nothing, and may reuse what they are given. */
  toStored(object: KubeObject): KubeObject;
  fromStored(object: KubeObject): KubeObject;
}

/** Everything about one kind. CRD, OpenAPI, table columns, CLI output and docs are derived from it. */
export interface Kind<T extends KubeObject = KubeObject> {
  readonly group: string;
  readonly version: string;
  readonly kind: string;
  readonly plural: string;
  readonly singular: string;
  readonly shortNames: readonly string[];
  readonly categories: readonly string[];
  readonly scope: 'Namespaced' | 'Cluster';
  /** Of the whole object, metadata left out. */
  readonly schema: Schema;
  readonly subresources: readonly ('status' | 'scale' | 'ephemeralcontainers')[];
  readonly columns: readonly Column[];
  /** The dependents of the happy condition, where the kind has one. */
  readonly conditions?: { readonly happy: string; readonly dependents: readonly string[] };
  /** The validating webhook that answers for the kind on a foreign cluster; its refusals sound the same everywhere. */
  readonly webhook?: string;
  /** Ducks: what others, who do not know the kind, may take its objects for; labels of its definition on a foreign cluster. */
  readonly ducks?: readonly ('addressable' | 'podspecable')[];
  /** Set on kinds that are stored but that nothing acts on yet; sent to clients as a `Warning:` header. */
  readonly notActedOn?: string;
  /** Sent with every answer of a kind, or of a version, that its clients should leave. */
  readonly deprecation?: string;
  /** Put on an object when its deletion begins: the server itself has something to end first. */
  readonly deletionFinalizer?: string;
  readonly custom?: CustomFacts;
  /** Set on kinds that are another view of a stored one: both have the same objects. */
  readonly storedAs?: StoredAs;
  /** Fills in what the author left out; changes `object` in place, reads nothing else. */
  default?(object: T, context: AdmissionContext<T>): void;
  /** Says what is wrong; never throws, never changes `object`. */
  validate?(object: T, context: AdmissionContext<T>): FieldError[];
  /** What is valid and may still not be what its author means; sent to clients as `Warning:` headers. */
  warnings?(object: T, context: AdmissionContext<T>): string[];
  /** Carries the type; never present at run time. */
  readonly object?: T;
}
export type ObjectOf<K> = K extends Kind<infer T> ? T : never;
export type StatusOf<T> = T extends { status?: infer S } ? Exclude<S, undefined> : undefined;

type Names = 'group' | 'version' | 'kind' | 'plural' | 'scope';
type Optional = 'singular' | 'shortNames' | 'categories' | 'columns' | 'subresources';

/** A kind of our own: `spec` and `status` are schemas, and its type follows from them. */
export function defineKind<const S extends Schema, const U extends Schema>(
  kind: Pick<Kind, Names> &
    Partial<Pick<Kind, Optional | 'conditions' | 'ducks' | 'notActedOn' | 'webhook'>> & {
      readonly spec: S;
      /** Absent where nothing is ever said of how an object stands. */
      readonly status?: U;
      default?(
        object: KubeObject & { spec: Of<S>; status?: Of<U> },
        context: AdmissionContext<KubeObject & { spec: Of<S>; status?: Of<U> }>,
      ): void;
      validate?(
        object: KubeObject & { spec: Of<S>; status?: Of<U> },
        context: AdmissionContext<KubeObject & { spec: Of<S>; status?: Of<U> }>,
      ): FieldError[];
      warnings?(
        object: KubeObject & { spec: Of<S>; status?: Of<U> },
        context: AdmissionContext<KubeObject & { spec: Of<S>; status?: Of<U> }>,
      ): string[];
    },
): Kind<KubeObject & { spec: Of<S>; status?: Of<U> }> {
  const { spec, status, ...rest } = kind;
  return Object.freeze({
    singular: kind.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    columns: [],
    subresources: ['status'] as const,
    ...rest,
    schema: object({ spec: optional(spec), ...(status && { status: optional(status) }) }),
  });
}

/** A kind of Kubernetes' own, whose schema and type are generated: `defineCoreKind<Pod>({…})`. */
export function defineCoreKind<T extends KubeObject>(
  kind: Pick<Kind<T>, Names> &
    Partial<
      Pick<
        Kind<T>,
        | Optional
        | 'notActedOn'
        | 'deletionFinalizer'
        | 'deprecation'
        | 'storedAs'
        | 'default'
        | 'validate'
        | 'warnings'
      >
    > & {
      /** The full name of the generated definition: `io.k8s.api.core.v1.Pod`. */
      readonly definition: string;
    },
): Kind<T> {
  const { definition, ...rest } = kind;
  return Object.freeze({
    singular: kind.kind.toLowerCase(),
    shortNames: [],
    categories: [],
    columns: [],
    subresources: [],
    ...rest,
    schema: { $ref: definition },
  });
}

/** `v1`, `apps/v1` */
export function apiVersionOf(kind: Pick<Kind, 'group' | 'version'>): string {
  return kind.group === '' ? kind.version : `${kind.group}/${kind.version}`;
}

/** `pods`, `deployments.apps`: how Kubernetes' messages name a resource. */
export function resourceOf(kind: Pick<Kind, 'group' | 'plural'>): string {
  return kind.group === '' ? kind.plural : `${kind.plural}.${kind.group}`;
}
