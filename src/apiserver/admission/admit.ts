import { copyJson } from '#base/copy-json.ts';
import { apiVersionOf, type AdmissionContext, type FieldError, type Kind } from '#api/kind.ts';
import { kindErrors } from '#api/kind-errors.ts';
import { ApiError, deniedByWebhook, invalid } from '#api/meta/api-error.ts';
import type { KubeObject, ObjectMeta } from '#api/meta/object-meta.ts';
import type { ServingSettings } from '#api/serving-config/config-maps.ts';
import { quoted } from '#apiserver/admission/field-path.ts';
import { metadataErrors } from '#apiserver/admission/metadata.ts';
import { walkSchema } from '#apiserver/admission/schema-walk.ts';
import type { User } from '#apiserver/user.ts';

/** What is about to be written, for steps that look at more than the object. */
export interface AdmissionRequest {
  readonly kind: Kind;
  readonly operation: 'CREATE' | 'UPDATE' | 'DELETE' | 'CONNECT';
  readonly user: User;
  readonly subresource: string | undefined;
  readonly previous: KubeObject | undefined;
  readonly isDryRun: boolean;
  /** What CreateOptions, UpdateOptions or DeleteOptions say besides `dryRun`. */
  readonly options?: Readonly<Record<string, unknown>>;
  /** Of a subresource that is an object of its own. */
  readonly view?: AdmissionView;
  /** Tells the client something besides the answer. */
  readonly warn: (text: string) => void;
}

/** How what is not the object itself is told to others: a write to its scale as a Scale, a call of its exec as the options of it. */
export interface AdmissionView {
  readonly kind: Pick<Kind, 'group' | 'version' | 'kind'>;
  of(object: KubeObject): KubeObject;
  /** Changes `object` to what was made of its view. Throws ApiError where that is none. */
  write(object: KubeObject, view: unknown): void;
}

/**
 * A check or a change of the cluster's own, between defaulting and validation. Throws an ApiError to refuse. What it
 * returns is disposed when the write has succeeded or failed, so that a reservation need not outlive it.
 */
export interface AdmissionStep {
  handles(kind: Kind): boolean;
  admit?(object: KubeObject, request: AdmissionRequest): Promise<Disposable | undefined>;
  /** A last look at what is valid and stays as it is; also at a deletion, whose object is undefined. */
  check?(object: KubeObject | undefined, request: AdmissionRequest): Promise<void>;
  /** The last word on what everybody else has let pass; else as `admit`. */
  reserve?(object: KubeObject, request: AdmissionRequest): Promise<Disposable | undefined>;
  /**
   * Asks others about what is sent to a subresource and stored nowhere: a Binding, an Eviction, the options of an exec. The
   * request's view shows it; `object` has no more than its name and namespace.
   */
  consult?(
    object: KubeObject,
    request: AdmissionRequest & { readonly view: AdmissionView },
  ): Promise<void>;
}

export interface Fields {
  readonly object: KubeObject;
  readonly errors: readonly FieldError[];
  readonly warnings: readonly string[];
}

/** What becomes of unknown and doubled fields: refused, told of, or dropped in silence. */
export type FieldValidation = 'Strict' | 'Warn' | 'Ignore';

/** Kubernetes' limit on one object, as etcd has it. */
const OBJECT_BYTES_MAX = 1.5 * 1024 * 1024;
/** Kubernetes neither keeps nor shows these where they hold nothing. */
const LEFT_OUT_IF_EMPTY = ['labels', 'annotations', 'ownerReferences', 'finalizers'];
const METADATA = { $ref: 'io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta' };

/**
 * Brings a decoded value into the shape of its kind: prunes what the schema does not know, fills in its defaults and says
 * what is wrong. Throws BadRequest where it is no object of this kind at all, or where `fieldValidation` is Strict and
 * fields were unknown or doubled.
 */
export function admitFields(
  kind: Kind,
  value: unknown,
  options: { readonly duplicates: readonly string[]; readonly fieldValidation: FieldValidation },
): Fields {
  const { metadata: rawMetadata, ...body } = typedObject(kind, value);
  delete body['apiVersion'];
  delete body['kind'];
  const metadata: Record<string, unknown> = { ...asFields(kind, rawMetadata ?? {}) };
  const { managedFields } = metadata;
  delete metadata['managedFields'];
  delete metadata['selfLink'];
  const inMetadata = walkSchema(METADATA, metadata, 'metadata');
  for (const name of LEFT_OUT_IF_EMPTY) if (isEmpty(metadata[name])) delete metadata[name];
  const inBody = walkSchema(kind.schema, body);
  // Kubernetes' own definitions have a metadata that is never absent.
  delete body['metadata'];
  const [undecodable] = [...inMetadata.undecodable, ...inBody.undecodable];
  if (undecodable !== undefined) {
    throw new ApiError('BadRequest', `${cannotHandle(kind)}: ${undecodable}`);
  }
  const object: KubeObject = {
    apiVersion: apiVersionOf(kind),
    kind: kind.kind,
    // The walk has just checked every field of it.
    metadata: metadata as ObjectMeta,
    ...body,
  };
  // A list of entries, or nothing that counts: who owns what is read with care where it is used.
  if (Array.isArray(managedFields)) {
    object.metadata.managedFields = managedFields.map(
      (each: Record<string, unknown> | null) => each ?? {},
    );
  }
  const unknown = [...inMetadata.unknown, ...inBody.unknown];
  return {
    object,
    errors: [...inMetadata.errors, ...inBody.errors],
    // Kubernetes tells those of custom resources in the order of their paths.
    warnings: fieldWarnings(kind, {
      ...options,
      unknown: kind.custom ? unknown.toSorted() : unknown,
    }),
  };
}

/** Throws BadRequest where a field is of another type than it is in Kubernetes' own kinds, which cannot even be read. */
export function refuseOtherTypes(kind: Kind, errors: readonly FieldError[]): void {
  const wrong = errors.find(
    ({ path, reason }) =>
      reason === 'FieldValueTypeInvalid' && (kind.schema.$ref || path.startsWith('metadata')),
  );
  if (!wrong) return;
  const [, text = wrong.message] = /^Invalid value: "\w+": (.+)$/.exec(wrong.message) ?? [];
  throw new ApiError('BadRequest', `${cannotHandle(kind)}: ${text}`);
}

/**
 * Defaults, the cluster's steps, validation. Changes `object`; throws Invalid with every complaint. What only says where
 * an object stands is not refused for what its author wished, which an older server may have let pass.
 */
export async function admitObject(
  object: KubeObject,
  request: AdmissionRequest & {
    readonly operation: 'CREATE' | 'UPDATE';
    readonly errors: readonly FieldError[];
    readonly steps: readonly AdmissionStep[];
    readonly serving: ServingSettings;
    /** Called with what its author wrote, defaults filled in, before the cluster's own changes. */
    readonly onDefaulted?: (object: KubeObject) => void;
  },
): Promise<AsyncDisposable> {
  const { kind, operation, user, previous } = request;
  const errors = answeredFor(request);
  refuseMisshapen(kind, object, errors);
  const { subresource, serving } = request;
  const context = {
    serving,
    operation,
    username: user.name,
    ...(previous && { previous }),
    ...(subresource !== undefined && { subresource }),
  };
  await using reservations = new AsyncDisposableStack();
  const steps = request.steps.filter((step) => step.handles(kind));
  const isStatus = subresource === 'status';
  if (!isStatus) kind.default?.(object, context);
  request.onDefaulted?.(object);
  for (const step of steps) reservations.use(await step.admit?.(object, request));
  // Of a custom resource all is looked at at every write, as in Kubernetes.
  if (!isStatus || kind.custom) refuseInvalid(object, request, { context, late: errors });
  if (!isStatus) for (const text of kind.warnings?.(object, context) ?? []) request.warn(text);
  await checkWrite(object, request, steps);
  for (const step of steps) reservations.use(await step.reserve?.(object, request));
  return reservations.move();
}

/** The steps' last look, at a deletion the only one. */
export async function checkWrite(
  object: KubeObject | undefined,
  request: AdmissionRequest,
  steps: readonly AdmissionStep[],
): Promise<void> {
  for (const step of steps) {
    if (step.check && step.handles(request.kind)) await step.check(object, request);
  }
}

/** Kubernetes does not always say which item of a list it means. */
function withoutNumbers(path: string): string {
  return path.replaceAll(/\[\d+\]/g, '');
}

/** Of Kubernetes' own kinds, whose parts say of themselves what they like; those of others come with their type. */
function isOfStatus(path: string): boolean {
  return path.startsWith('status.');
}

/**
 * What of `errors` this write must answer for: a status for itself alone. Where what is stored has items of one key
 * already, which its list was once free to have, none is complained of, as in Kubernetes.
 */
function answeredFor({
  kind,
  subresource,
  previous,
  errors,
}: AdmissionRequest & { readonly errors: readonly FieldError[] }): readonly FieldError[] {
  const isOfStatusOnly = subresource === 'status' && !kind.custom;
  const own = isOfStatusOnly ? errors.filter(({ path }) => /^status\b/.test(path)) : errors;
  if (!previous || !own.some(isDuplicate)) return own;
  const { metadata: _, ...body } = copyJson(previous);
  const had = walkSchema(kind.schema, body).errors;
  return had.some(isDuplicate) ? own.filter((error) => !isDuplicate(error)) : own;
}

function isDuplicate({ reason }: FieldError): boolean {
  return reason === 'FieldValueDuplicate';
}

/** What a CEL rule may rely on; where it is not so, Kubernetes runs none. */
const SHAPE_REASONS: ReadonlySet<FieldError['reason']> = new Set([
  'FieldValueNotSupported',
  'FieldValueRequired',
  'FieldValueTooLong',
  'FieldValueTooMany',
  'FieldValueTypeInvalid',
] as const);
const RULES_NOT_RUN: FieldError = {
  path: '<nil>',
  message:
    'Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation',
};

/** A kind's hooks take values of their own type; what is not of it is not shown to them. */
function refuseMisshapen(kind: Kind, object: KubeObject, errors: readonly FieldError[]): void {
  const isMisshapen = ({ reason }: FieldError): boolean =>
    kind.custom ? SHAPE_REASONS.has(reason) : reason === 'FieldValueTypeInvalid';
  const isCore = kind.schema.$ref !== undefined;
  const early = isCore ? errors.filter(isMisshapen) : errors;
  if (early.length === 0 || (kind.custom && !early.some(isMisshapen))) return;
  const all = kind.custom?.hasRules ? [...early, RULES_NOT_RUN] : early;
  throw invalid(kind, object.metadata.name ?? '', all);
}

function refuseInvalid(
  object: KubeObject,
  { kind }: AdmissionRequest,
  {
    context,
    late,
  }: { readonly context: AdmissionContext<KubeObject>; readonly late: readonly FieldError[] },
): void {
  const name = object.metadata.name ?? '';
  const inMetadata = metadataErrors(kind, object);
  const said = kindErrors(kind, object, context);
  // Kubernetes' own validation comes first; what only its schema says of a field is said where nothing else was.
  const places = new Set(said.map(({ path }) => withoutNumbers(path)));
  const unsaid = late.filter(({ path }) => !places.has(withoutNumbers(path)) && !isOfStatus(path));
  if (kind.webhook !== undefined) {
    // What a foreign cluster's own server says of it is said before that asks a webhook.
    if (inMetadata.length + late.length > 0) throw invalid(kind, name, [...inMetadata, ...late]);
    if (said.length > 0) throw deniedByWebhook(kind.webhook, kind, { name, causes: said });
    return;
  }
  const causes = kind.custom ? [...late, ...said] : [...said, ...unsaid];
  if (inMetadata.length + causes.length > 0) throw invalid(kind, name, [...inMetadata, ...causes]);
}

/** Throws RequestEntityTooLarge with the words etcd's limit has for it. */
export function refuseLarge(text: string): void {
  const bytes = Buffer.byteLength(text);
  if (bytes <= OBJECT_BYTES_MAX) return;
  throw new ApiError(
    'RequestEntityTooLarge',
    `etcdserver: request is too large: the object has ${bytes} bytes, at most ${OBJECT_BYTES_MAX} are accepted`,
  );
}

function typedObject(kind: Kind, value: unknown): Record<string, unknown> {
  const fields = asFields(kind, value);
  const wanted = apiVersionOf(kind);
  const { apiVersion, kind: name } = fields;
  if (apiVersion !== undefined && apiVersion !== wanted) {
    throw new ApiError(
      'BadRequest',
      `the API version in the data (${quoted(apiVersion)}) does not match the expected API version (${wanted})`,
    );
  }
  if (name !== undefined && name !== kind.kind) {
    throw new ApiError(
      'BadRequest',
      `the kind in the data (${quoted(name)}) does not match the expected kind (${kind.kind})`,
    );
  }
  return fields;
}

function asFields(kind: Kind, value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  const found = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value;
  throw new ApiError('BadRequest', `${cannotHandle(kind)}: expected an object, found ${found}`);
}

function fieldWarnings(
  kind: Kind,
  found: {
    readonly unknown: readonly string[];
    readonly duplicates: readonly string[];
    readonly fieldValidation: FieldValidation;
  },
): string[] {
  const warnings = [
    ...found.unknown.map((path) => `unknown field "${path}"`),
    ...found.duplicates.map((path) => `duplicate field "${path}"`),
  ];
  switch (found.fieldValidation) {
    case 'Ignore':
      return [];
    case 'Strict':
      if (warnings.length === 0) return [];
      throw new ApiError(
        'BadRequest',
        `${cannotHandle(kind)}: strict decoding error: ${warnings.join(', ')}`,
      );
    case 'Warn':
      return warnings;
  }
}

function cannotHandle(kind: Kind): string {
  return `${kind.kind} in version "${kind.version}" cannot be handled as a ${kind.kind}`;
}

function isEmpty(value: unknown): boolean {
  return typeof value === 'object' && value !== null && Object.keys(value).length === 0;
}
