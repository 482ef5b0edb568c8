import { createHash } from 'node:crypto';
import { backoffMs } from '#base/backoff.ts';
import { makeKey } from '#base/x509/certificate.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { Service } from '#api/core-v1/service.ts';
import { EndpointSlice } from '#api/discovery-v1/endpoint-slice.ts';
import { apiVersionOf } from '#api/kind.ts';
import { controllerReference } from '#api/meta/object-meta.ts';
import type { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import { networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import type { Ref } from '#client/client.ts';
import type { Context } from '#reconcile/controller.ts';
import { base64 } from '#controllers/serving/certificate/held-certificate.ts';
import { placeOf } from '#controllers/serving/ensure-owned.ts';

/** Where one Certificate's order stands: kept in a Secret, so that whoever reconciles next goes on with it. */
export interface AcmeOrder {
  readonly directory: string;
  readonly names: readonly string[];
  /** PEM: the certificate's own, before there is one. */
  readonly key: string;
  /** Of the order; absent before there is one, and after one that came to nothing. */
  readonly url?: string;
  /** In a row. */
  readonly failures: number;
  readonly lastFailure?: { readonly reason: string; readonly message: string };
  /** RFC 3339; the server is not asked before. */
  readonly notBefore?: string;
}

/**
 * Soon at first: our own end at the wrong moment fails a proof too. Let's Encrypt listens to five failures of a host in an
 * hour, which these are.
 */
const FAILURE_BACKOFF = { firstMs: 30_000, factor: 3, maxMs: 6 * 60 * 60_000 };

/** Nothing was asked yet. */
export function newOrder({ spec }: Certificate, directory: string): AcmeOrder {
  return { directory, names: spec.dnsNames ?? [], key: makeKey(), failures: 0 };
}

/** What comes next must wait: a new order, where this one came to nothing, or the same where that `goesOn`. */
export function failedOrder(
  { directory, names, key, failures, url }: AcmeOrder,
  {
    now,
    retryAfterMs = 0,
    goesOn = false,
    ...lastFailure
  }: {
    readonly now: Date;
    readonly retryAfterMs?: number | undefined;
    readonly goesOn?: boolean;
    readonly reason: string;
    readonly message: string;
  },
): AcmeOrder {
  const waitMs = Math.max(retryAfterMs, backoffMs(FAILURE_BACKOFF, failures + 1));
  const notBefore = new Date(now.getTime() + waitMs).toISOString();
  const same = goesOn && url !== undefined ? { url } : {};
  return { directory, names, key, ...same, failures: failures + 1, lastFailure, notBefore };
}

/** Of the Secret, and of the Service and its endpoints that lead to whoever answers challenges. */
export function orderRef({ metadata }: Certificate): { namespace: string; name: string } {
  const hash = createHash('sha256')
    .update(metadata.uid ?? '')
    .digest('hex');
  return { namespace: placeOf(metadata).namespace, name: `acme-${hash.slice(0, 20)}` };
}

const TYPE = 'knode.dev/acme-order';

/** Undefined where there is none, or one for something else. */
export async function readOrder(
  certificate: Certificate,
  directory: string,
  { live }: Context,
): Promise<AcmeOrder | undefined> {
  const secret = await live.get(Secret, orderRef(certificate));
  const { order = '', key = '' } = secret?.type === TYPE ? (secret.data ?? {}) : {};
  if (order === '' || key === '') return undefined;
  // What we wrote ourselves, unless somebody changed it: then it is begun anew.
  const read = parsed(Buffer.from(order, 'base64').toString());
  const { dnsNames = [] } = certificate.spec;
  const isSame = read?.directory === directory && read.names.join() === dnsNames.join();
  return read && isSame ? { ...read, key: Buffer.from(key, 'base64').toString() } : undefined;
}

function parsed(text: string): AcmeOrder | undefined {
  try {
    const value: unknown = JSON.parse(text);
    const isWhole =
      typeof value === 'object' &&
      value !== null &&
      ['directory', 'names', 'failures'].every((field) => field in value);
    // Written by writeOrder, as far as that can be seen.
    return isWhole ? (value as AcmeOrder) : undefined;
  } catch {
    return undefined;
  }
}

export async function writeOrder(
  certificate: Certificate,
  { key, ...order }: AcmeOrder,
  { client }: Context,
): Promise<void> {
  const { uid = '' } = certificate.metadata;
  await client.apply(Secret, {
    apiVersion: apiVersionOf(Secret),
    kind: Secret.kind,
    metadata: {
      ...orderRef(certificate),
      labels: { [networkingKeys.certificateUid]: uid },
      ownerReferences: [controllerReference(certificate)],
    },
    type: TYPE,
    data: { order: base64(JSON.stringify(order)), key: base64(key) },
  });
}

/** Removes what an order left, the Secret last: it says that there may be something. */
export async function removeOrder(certificate: Certificate, { client }: Context): Promise<void> {
  const ref: Ref = orderRef(certificate);
  if (!(await client.get(Secret, ref))) return;
  await client.delete(EndpointSlice, ref);
  await client.delete(Service, ref);
  await client.delete(Secret, ref);
}
