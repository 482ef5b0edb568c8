import type { Random } from '#base/random.ts';
import { labelErrors } from '#api/meta/name-errors.ts';
import { REVIEW_VERSIONS } from '#api/apiextensions-v1/conversion-errors.ts';
import type { WebhookConversion } from '#api/generated/apiextensions-v1.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { KubeObject, ObjectMeta } from '#api/meta/object-meta.ts';
import { annotationErrors } from '#apiserver/admission/metadata.ts';
import type { WebhookCaller } from '#apiserver/webhooks/webhook-call.ts';

/**
 * What objects, given as they are stored, are in another version of their kind: as many, in the same order. Only labels and
 * annotations of their metadata may change. Throws InternalError in Kubernetes' words where nobody can tell.
 */
export type Converter = (
  texts: readonly string[],
  wish: { readonly conversion: WebhookConversion; readonly apiVersion: string },
) => Promise<readonly KubeObject[]>;

export interface WebhookConverterOptions {
  readonly caller: WebhookCaller;
  readonly random: Random;
  /** Ends calls that are under way. */
  readonly signal: AbortSignal;
}

/** As Kubernetes. */
const TIMEOUT_SECONDS = 30;
/** UTF-16 code units that are asked about at once, so that an answer stays within what is read of one. */
const BATCH_LENGTH_MAX = 1024 * 1024;

/** Asks the webhook that a definition names. */
export function webhookConverter(options: WebhookConverterOptions): Converter {
  return async (texts, wish) => {
    const converted: KubeObject[] = [];
    for (const batch of batchesOf(texts)) converted.push(...(await convert(batch, wish, options)));
    return converted;
  };
}

function batchesOf(texts: readonly string[]): string[][] {
  const batches: string[][] = [];
  let length = Infinity;
  for (const text of texts) {
    length += text.length;
    if (length > BATCH_LENGTH_MAX) {
      batches.push([]);
      length = text.length;
    }
    batches.at(-1)?.push(text);
  }
  return batches;
}

async function convert(
  texts: readonly string[],
  { conversion, apiVersion }: Parameters<Converter>[1],
  { caller, random, signal }: WebhookConverterOptions,
): Promise<KubeObject[]> {
  const originals = texts.map((text) => JSON.parse(text) as KubeObject);
  const [{ apiVersion: from, kind } = { apiVersion: '', kind: '' }] = originals;
  const webhook = `conversion webhook for ${from}, Kind=${kind}`;
  const review = reviewVersion(conversion);
  const uid = random.uuid();
  const request = `{"uid":"${uid}","desiredAPIVersion":"${apiVersion}","objects":[${texts.join(',')}]}`;
  const body = `{"kind":"ConversionReview","apiVersion":"${review}","request":${request}}`;
  const callee = {
    clientConfig: conversion.clientConfig ?? {},
    timeoutSeconds: TIMEOUT_SECONDS,
  };
  let found: readonly unknown[];
  try {
    found = convertedObjects(await caller.call(callee, body, signal), { uid, review });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new ApiError('InternalError', `${webhook} failed: ${why}`);
  }
  if (found.length !== originals.length) {
    const counts = `${found.length} objects, expected ${originals.length}`;
    throw new ApiError('InternalError', `${webhook} returned ${counts}`);
  }
  return originals.map((original, index) => {
    const one = fieldsOf(found[index]);
    const problem = shapeProblem(one, { apiVersion, kind, index }) ?? lifeProblem(one, original);
    if (problem) throw new ApiError('InternalError', `${webhook} returned invalid ${problem}`);
    const metadata = { ...original.metadata };
    for (const field of ['labels', 'annotations'] as const) {
      const said = fieldsOf(one['metadata'])[field];
      delete metadata[field];
      // That they are texts was checked above.
      if (said) metadata[field] = said as Record<string, string>;
    }
    return { ...one, apiVersion, kind, metadata };
  });
}

/** The first that both speak, as Kubernetes chooses. */
function reviewVersion({ conversionReviewVersions }: WebhookConversion): string {
  const version = conversionReviewVersions.find((each) => REVIEW_VERSIONS.includes(each));
  return `apiextensions.k8s.io/${version ?? 'v1'}`;
}

/** Throws Error where the answer is no review of this request, or tells of a failure. */
function convertedObjects(
  text: string,
  { uid, review }: { readonly uid: string; readonly review: string },
): readonly unknown[] {
  const { kind = '', apiVersion = '/', response } = fieldsOf(JSON.parse(text));
  if (kind !== 'ConversionReview' || apiVersion !== review) {
    const found = `${String(apiVersion)}, Kind=${String(kind)}`;
    throw new Error(`expected webhook response of ${review}, Kind=ConversionReview, got ${found}`);
  }
  if (typeof response !== 'object' || response === null) throw new Error('no response provided');
  const { uid: answered = '', result, convertedObjects: objects = [] } = fieldsOf(response);
  if (answered !== uid) {
    throw new Error(`expected response.uid="${uid}", got ${JSON.stringify(answered)}`);
  }
  const { status = '', message } = fieldsOf(result);
  if (status !== 'Success') {
    const said = typeof message === 'string' && message !== '';
    throw new Error(
      said ? message : `response.result.status was '${String(status)}', not 'Success'`,
    );
  }
  if (!Array.isArray(objects)) throw new Error('response.convertedObjects is no list');
  return objects;
}

function shapeProblem(
  one: Readonly<Record<string, unknown>>,
  wanted: { readonly apiVersion: string; readonly kind: string; readonly index: number },
): string | undefined {
  const { apiVersion = '', kind = '' } = one;
  const at = `object at index ${wanted.index}: invalid`;
  const unlike = (expected: string, received: unknown): string =>
    `(expected ${expected}, received ${String(received)})`;
  if (apiVersion !== wanted.apiVersion) {
    return `${at} groupVersion ${unlike(wanted.apiVersion, apiVersion)}`;
  }
  return kind === wanted.kind ? undefined : `${at} kind ${unlike(wanted.kind, kind)}`;
}

/** That it is the same object still, whatever the webhook made of it. */
function lifeProblem(
  one: Readonly<Record<string, unknown>>,
  { metadata }: KubeObject,
): string | undefined {
  const found = fieldsOf(one['metadata']);
  const names = { name: 'name', namespace: 'namespace', uid: 'UID' } as const;
  for (const [field, name] of Object.entries(names)) {
    const [before = '', after = ''] = [metadata[field as keyof typeof names], found[field]];
    if (before !== after) {
      return `object: must have the same ${name}: ${before} != ${String(after)}`;
    }
  }
  for (const field of ['labels', 'annotations'] as const) {
    const problem = textsProblem(field, found[field]);
    if (problem) return `metadata: ${problem}`;
  }
  return undefined;
}

function textsProblem(field: 'labels' | 'annotations', value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  const where = `metadata.${field}`;
  if (typeof value !== 'object' || Array.isArray(value)) {
    return `invalid ${where} of type ${typeof value} in converted object`;
  }
  const wrong = Object.entries(value).find(([, each]) => typeof each !== 'string');
  if (wrong) {
    return `${where}[${wrong[0]}] must be a string, but is ${typeof wrong[1]} in converted object`;
  }
  const errorsOf = { labels: labelErrors, annotations: annotationErrors }[field];
  // Only texts are in it.
  const [error] = errorsOf(value as ObjectMeta['labels'] & object, where);
  return error && `${error.path}: ${error.message}`;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
