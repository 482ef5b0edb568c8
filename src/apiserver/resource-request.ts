import type { ServingSettings } from '#api/serving-config/config-maps.ts';
import type { Clock } from '#base/clock.ts';
import type { HttpReply } from '#base/http-message.ts';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { Kind } from '#api/kind.ts';
import { ApiError, invalidOptions } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { unsupportedErrors } from '#api/meta/value-errors.ts';
import type { AdmissionStep, FieldValidation } from '#apiserver/admission/admit.ts';
import type { Converter } from '#apiserver/custom-resources/webhook-conversion.ts';
import type { KindTable } from '#apiserver/kind-table.ts';
import type { Representation } from '#apiserver/representation.ts';
import type { UserRequest } from '#apiserver/route.ts';
import type { Store } from '#store/store.ts';

/** A request about objects of one kind, its path and headers understood. */
export interface ResourceRequest extends UserRequest {
  readonly kind: Kind;
  /** Absent for cluster-scoped kinds, and where all namespaces are meant. */
  readonly namespace: string | undefined;
  /** Empty where the request is about the collection. */
  readonly name: string;
  readonly subresource: string | undefined;
  readonly isWatch: boolean;
  readonly query: URLSearchParams;
  readonly representation: Representation;
}

export interface GivenName {
  readonly name: string;
  readonly uid: string;
  /** Called where the object is not made after all, or not by this name. */
  readonly release?: () => void;
}

/** Hands out the name and uid of an object that has only a generateName; undefined: the server makes them up. */
export type NameGenerator = (kind: Kind, object: KubeObject) => GivenName | undefined;

/** What the verbs work with. */
export interface Deps {
  readonly store: Store;
  readonly kinds: KindTable;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly generateName: NameGenerator;
  readonly admission: readonly AdmissionStep[];
  readonly convert: Converter;
  /** What Serving's ConfigMaps say now, which its kinds' defaults and validation go by. */
  readonly serving: () => ServingSettings;
  /** Sends a `Warning:` along with the answer. */
  readonly warn: (text: string) => void;
  /** Whether its sender may also create the object a request names. Throws Forbidden. */
  authorizeCreate(request: ResourceRequest): Promise<void>;
}

export type Verb = (request: ResourceRequest, deps: Deps) => Promise<HttpReply>;

const OPTIONS_KINDS: Readonly<Record<string, string>> = {
  POST: 'CreateOptions',
  PUT: 'UpdateOptions',
  PATCH: 'PatchOptions',
  DELETE: 'DeleteOptions',
};

/** As complaints about a request's options name them. */
export function optionsKind(method: string): string {
  return OPTIONS_KINDS[method] ?? 'Options';
}

/** `dryRun=All`, or what a body says instead; any other value is Invalid, as in Kubernetes. */
export function isDryRun(
  { method, query }: Pick<ResourceRequest, 'method' | 'query'>,
  asked: readonly unknown[] = query.getAll('dryRun'),
): boolean {
  const values = asked.filter((value) => value !== '');
  if (values.some((value) => value !== 'All')) {
    const message = `Unsupported value: ${JSON.stringify(values)}: supported values: "All"`;
    const error = { path: 'dryRun', message, reason: 'FieldValueNotSupported' } as const;
    throw invalidOptions(optionsKind(method), [error]);
  }
  return values.length > 0;
}

const FIELD_VALIDATIONS = ['Ignore', 'Strict', 'Warn'] as const;

/** `Warn` where it is absent or empty. Throws Invalid for what is none of them. */
export function fieldValidationOf({
  method,
  query,
}: Pick<ResourceRequest, 'method' | 'query'>): FieldValidation {
  const value = query.get('fieldValidation') || 'Warn';
  const found = FIELD_VALIDATIONS.find((each) => each === value);
  if (found) return found;
  const errors = unsupportedErrors('fieldValidation', value, ['', ...FIELD_VALIDATIONS]);
  throw invalidOptions(optionsKind(method), errors);
}

/** What a write's options say besides `dryRun`. */
export function writeOptionsOf({ query }: Pick<ResourceRequest, 'query'>): Record<string, string> {
  const said = ['fieldManager', 'fieldValidation'].map((name) => [name, query.get(name)]);
  return Object.fromEntries(said.filter(([, value]) => value));
}

/** A whole number in the query; undefined where it is absent or empty. Throws BadRequest for anything else. */
export function integerOf(query: URLSearchParams, name: string): number | undefined {
  const text = query.get(name);
  if (text === null || text === '') return undefined;
  if (!/^\d{1,15}$/.test(text)) {
    throw new ApiError(
      'BadRequest',
      `the query parameter ${name} is "${text}": a whole number was expected`,
    );
  }
  return Number(text);
}
