import { isDeepStrictEqual } from 'node:util';
import type { Log } from '#base/log.ts';
import type { Random } from '#base/random.ts';
import type { MutatingWebhook } from '#api/generated/admissionregistration-v1.ts';
import { MutatingWebhookConfiguration } from '#api/admissionregistration-v1/mutating-webhook-configuration.ts';
import { ValidatingWebhookConfiguration } from '#api/admissionregistration-v1/validating-webhook-configuration.ts';
import type { Webhook } from '#api/admissionregistration-v1/webhook.ts';
import type { Kind } from '#api/kind.ts';
import { Namespace } from '#api/core-v1/namespace.ts';
import { ApiError, forbidden, invalid } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import type { ServedKinds } from '#api/served-kinds.ts';
import {
  admitFields,
  type AdmissionRequest,
  type AdmissionStep,
} from '#apiserver/admission/admit.ts';
import { CelValues } from '#apiserver/cel/cel-value.ts';
import { CelBudget } from '#apiserver/cel/cost.ts';
import { CompilationError } from '#apiserver/cel/compilation-error.ts';
import { compile, EvaluationError } from '#apiserver/cel/expression.ts';
import type { Converter } from '#apiserver/custom-resources/webhook-conversion.ts';
import { applyJsonPatch } from '#apiserver/patch/json-patch.ts';
import { keyOf, objectOf, prefixOf } from '#apiserver/stored-object.ts';
import {
  denied,
  parseVerdict,
  reviewRequest,
  reviewText,
  subjectOf,
  type Verdict,
} from '#apiserver/webhooks/admission-review.ts';
import { equivalentsOf, inKind } from '#apiserver/webhooks/equivalent-kind.ts';
import { meantKind, type Write } from '#apiserver/webhooks/matching.ts';
import type { WebhookCaller } from '#apiserver/webhooks/webhook-call.ts';
import type { Store } from '#store/store.ts';

export interface WebhookAdmissionOptions {
  readonly store: Store;
  /** All that is served: a webhook may mean another version of what is written. */
  readonly kinds: ServedKinds;
  readonly convert: Converter;
  readonly caller: WebhookCaller;
  readonly random: Random;
  readonly log: Log;
  /** Ends calls that are under way. */
  readonly signal: AbortSignal;
}

/** Asks the webhooks that the configurations in the store name: first those that change, later those that check. */
export function webhookAdmission(options: WebhookAdmissionOptions): AdmissionStep {
  const admit = async (object: KubeObject, request: AdmissionRequest): Promise<undefined> => {
    const webhooks = await webhooksOf<MutatingWebhook>(MutatingWebhookConfiguration, options);
    if (webhooks.length > 0) await mutate(object, request, { webhooks, options });
  };
  const check = async (
    object: KubeObject | undefined,
    request: AdmissionRequest,
  ): Promise<void> => {
    const validating = await webhooksOf<Webhook>(ValidatingWebhookConfiguration, options);
    const isDeletion = request.operation === 'DELETE';
    const mutating = isDeletion
      ? await webhooksOf<MutatingWebhook>(MutatingWebhookConfiguration, options)
      : [];
    if (mutating.length + validating.length === 0) return;
    const write = await writeOf(object, request, options);
    // Of a deletion there is nothing to change, but those that change may refuse it.
    for (const webhook of mutating) await ask(webhook, write, { ...options, mayPatch: true });
    const checks = { ...options, mayPatch: false };
    await Promise.all(validating.map((webhook) => ask(webhook, write, checks)));
  };
  return {
    handles: () => true,
    admit,
    check,
    async consult(object, request) {
      await admit(object, request);
      await check(object, request);
    },
  };
}

/** In the order of the names of their configurations. */
async function webhooksOf<T extends Webhook>(
  kind: typeof MutatingWebhookConfiguration | typeof ValidatingWebhookConfiguration,
  { store }: WebhookAdmissionOptions,
): Promise<readonly T[]> {
  const { entries } = await store.list(prefixOf(kind, undefined));
  return entries.flatMap(
    (entry) => objectOf<KubeObject & { webhooks?: T[] }>(entry).webhooks ?? [],
  );
}

async function writeOf(
  object: KubeObject | undefined,
  request: AdmissionRequest,
  { store }: WebhookAdmissionOptions,
): Promise<Write> {
  const { kind, previous } = request;
  const one = object ?? previous;
  if (kind === Namespace) {
    return { object, request, namespaceLabels: one?.metadata.labels ?? {} };
  }
  const { namespace } = one?.metadata ?? {};
  if (kind.scope !== 'Namespaced' || namespace === undefined) {
    return { object, request, namespaceLabels: undefined };
  }
  const entry = await store.get(keyOf(Namespace, undefined, namespace));
  const labels = entry ? objectOf(entry).metadata.labels : {};
  return { object, request, namespaceLabels: labels ?? {} };
}

async function mutate(
  object: KubeObject,
  request: AdmissionRequest,
  { webhooks, options }: { webhooks: readonly MutatingWebhook[]; options: WebhookAdmissionOptions },
): Promise<void> {
  const left = new Map<MutatingWebhook, KubeObject>();
  const call = async (webhook: MutatingWebhook): Promise<void> => {
    const write = await writeOf(object, request, options);
    const asked = await ask(webhook, write, { ...options, mayPatch: true });
    if (asked?.verdict.patch !== undefined) {
      await applyPatch(object, asked.verdict.patch, {
        webhook,
        write,
        asked: asked.write,
        options,
      });
    }
    if (asked) left.set(webhook, structuredClone(object));
  };
  for (const webhook of webhooks) await call(webhook);
  // Whoever wants to is asked once more when others changed what it left.
  for (const webhook of webhooks) {
    const before = left.get(webhook);
    if (webhook.reinvocationPolicy !== 'IfNeeded' || !before) continue;
    if (!isDeepStrictEqual(before, object)) await call(webhook);
  }
}

const LENIENT = { duplicates: [], fieldValidation: 'Ignore' } as const;

/** Changes `object` in place to what the patch makes of it, brought into its kind's shape again. */
async function applyPatch(
  object: KubeObject,
  patch: unknown,
  {
    webhook,
    write: { request },
    asked,
    options: { convert },
  }: { webhook: Webhook; write: Write; asked: Write; options: WebhookAdmissionOptions },
): Promise<void> {
  const { kind, operation, user, previous, view } = request;
  const seen = asked.object ?? object;
  let patched: unknown;
  try {
    patched = applyJsonPatch(view ? view.of(object) : seen, patch);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    throw internal(`webhook "${webhook.name}": ${error.message}`);
  }
  if (view) {
    view.write(object, patched);
    return;
  }
  if (asked.written) {
    const own = admitFields(asked.request.kind, patched, LENIENT).object;
    patched = await inKind(own, { from: asked.request.kind, to: kind, convert });
  }
  const fields = admitFields(kind, patched, LENIENT);
  const shaped = fields.object;
  if (fields.errors.length > 0) throw invalid(kind, object.metadata.name ?? '', fields.errors);
  const { name, namespace, uid, resourceVersion } = object.metadata;
  if (shaped.metadata.name !== name || shaped.metadata.namespace !== namespace) {
    throw internal(
      `webhook "${webhook.name}": the name and namespace of an object may not be changed`,
    );
  }
  if (uid !== undefined) shaped.metadata.uid = uid;
  if (resourceVersion !== undefined) shaped.metadata.resourceVersion = resourceVersion;
  if (request.subresource === undefined && (operation === 'CREATE' || operation === 'UPDATE')) {
    kind.default?.(shaped, { operation, username: user.name, ...(previous && { previous }) });
  }
  for (const field of Object.keys(object)) Reflect.deleteProperty(object, field);
  Object.assign(object, shaped);
}

/** Undefined where the webhook is not meant, or failed and may. Throws what the client hears where it refuses. */
async function ask(
  webhook: Webhook,
  written: Write,
  options: WebhookAdmissionOptions & { readonly mayPatch: boolean },
): Promise<{ readonly verdict: Verdict; readonly write: Write } | undefined> {
  const kind = meantKind(webhook, written, (of) => equivalentsOf(of, options.kinds.current()));
  if (!kind) return undefined;
  const write = await writeIn(kind, written, options);
  const uid = options.random.uuid();
  const review = reviewRequest(write, uid);
  let verdict: Verdict;
  try {
    if (!holdConditions(webhook, review)) return undefined;
    refuseSideEffects(webhook, write);
    const text = await call(webhook, reviewText(review), options);
    verdict = parseVerdict(text, { uid, mayPatch: options.mayPatch });
  } catch (error) {
    if (!(error instanceof Error) || error instanceof ApiError) throw error;
    const about = { webhook: webhook.name, subject: subjectOf(write), error: error.message };
    if (webhook.failurePolicy === 'Ignore') {
      options.log.warn('a webhook failed, and is passed over as it asks', about);
      return undefined;
    }
    if (error instanceof ConditionFailure) {
      const { object, request } = write;
      throw forbidden(
        request.kind,
        (object ?? request.previous)?.metadata.name ?? '',
        error.message,
      );
    }
    throw internal(`failed calling webhook "${webhook.name}": ${error.message}`);
  }
  for (const warning of verdict.warnings) write.request.warn(warning);
  if (!verdict.allowed) throw denied(webhook, verdict);
  return { verdict, write };
}

/** The same write, told as one of `kind`. */
async function writeIn(
  kind: Kind,
  write: Write,
  { convert }: WebhookAdmissionOptions,
): Promise<Write> {
  const { object, request } = write;
  const { kind: from, previous } = request;
  if (kind === from) return write;
  const told = async (each: KubeObject | undefined): Promise<KubeObject | undefined> =>
    each && (await inKind(each, { from, to: kind, convert }));
  return {
    ...write,
    object: await told(object),
    request: { ...request, kind, previous: await told(previous) },
    written: from,
  };
}

async function call(
  webhook: Webhook,
  body: string,
  { caller, signal }: WebhookAdmissionOptions,
): Promise<string> {
  try {
    return await caller.call(webhook, body, signal);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new Error(`failed to call webhook: ${why}`, { cause: error });
  }
}

function holdConditions(webhook: Webhook, review: Record<string, unknown>): boolean {
  const failures: string[] = [];
  const budget = new CelBudget();
  const values = new CelValues();
  for (const { expression } of webhook.matchConditions ?? []) {
    const variables = {
      object: values.of({}, review['object']),
      oldObject: values.of({}, review['oldObject']),
      request: values.of({}, review),
    };
    try {
      if (budget.run(() => compile(expression).evaluate(variables)) !== true) return false;
    } catch (error) {
      if (!(error instanceof EvaluationError || error instanceof CompilationError)) throw error;
      failures.push(`expression '${expression}' resulted in error: ${error.message}`);
    }
  }
  const [first, ...more] = failures;
  if (first === undefined) return true;
  throw new ConditionFailure(more.length === 0 ? first : `[${failures.join(', ')}]`);
}

/** Whether a webhook is meant cannot be said. */
class ConditionFailure extends Error {
  override readonly name = 'ConditionFailure';
}

function refuseSideEffects({ name, sideEffects }: Webhook, { request }: Write): void {
  if (!request.isDryRun || sideEffects === 'None' || sideEffects === 'NoneOnDryRun') return;
  throw new ApiError('BadRequest', `admission webhook "${name}" does not support dry run`);
}

function internal(text: string): ApiError {
  const message = `Internal error occurred: ${text}`;
  return new ApiError('InternalError', message, { causes: [{ message: text }] });
}
