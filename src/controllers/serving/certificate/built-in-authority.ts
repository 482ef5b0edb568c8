import { createHash, createPrivateKey, X509Certificate } from 'node:crypto';
import { makeCertificate, type KeyPair } from '#base/x509/certificate.ts';
import { ConfigMap } from '#api/core-v1/config-map.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { hasReason } from '#api/meta/api-error.ts';
import {
  networkingKeys,
  TRUST_BUNDLE,
  TRUST_KEY,
} from '#api/networking-v1alpha1/networking-keys.ts';
import type { Context } from '#reconcile/controller.ts';
import { base64, secretPair } from '#controllers/serving/certificate/held-certificate.ts';

/** The Secret with its key has the name of the ConfigMap that tells others whom to trust. */
const REF = TRUST_BUNDLE;
/** Not kubernetes.io/tls, which a gateway may read. */
const TYPE = 'knode.dev/certificate-authority';
const SUBJECT = 'knode certificate authority';
const DAY_MS = 24 * 60 * 60 * 1000;
const LIFETIME_MS = 3650 * DAY_MS;
/** Its successor is trusted this long before the last certificate that it signed ends. */
const RENEWED_BEFORE_MS = 365 * DAY_MS;

/** Why the authority cannot sign. */
export class NoAuthority extends Error {
  override readonly name = 'NoAuthority';
}

/**
 * The cluster's own authority, made when the first certificate is asked for. It is in the cluster, so that whoever
 * reconciles has it. Near its end a new one takes its place; both stay in the ConfigMap. Throws NoAuthority where the
 * Secret holds something else.
 */
export async function openAuthority(context: Context): Promise<KeyPair> {
  const { live, clock } = context;
  const existing = await live.get(Secret, REF);
  const pair = existing ? usable(existing) : undefined;
  const endMs = pair ? new X509Certificate(pair.certificate).validToDate.getTime() : 0;
  if (pair && endMs - clock.now().getTime() > RENEWED_BEFORE_MS) {
    await publish(pair, context);
    return pair;
  }
  const made = makeCertificate({
    subject: { commonName: SUBJECT },
    use: 'authority',
    now: clock.now(),
    lifetimeMs: LIFETIME_MS,
  });
  // Told first: what it signs is trusted as soon as it is there.
  await publish(made, context);
  const data = { 'tls.crt': base64(made.certificate), 'tls.key': base64(made.key) };
  try {
    if (existing) await live.update(Secret, { ...existing, data });
    else {
      const head = { apiVersion: 'v1', kind: 'Secret', metadata: { ...REF } } as const;
      await live.create(Secret, { ...head, type: TYPE, data });
    }
    return made;
  } catch (error) {
    // Another Certificate's reconcile was faster.
    if (!hasReason(error, 'AlreadyExists') && !hasReason(error, 'Conflict')) throw error;
    return await openAuthority(context);
  }
}

/** Names one authority, whatever is published beside it. */
export function fingerprintOf({ certificate }: KeyPair): string {
  return createHash('sha256').update(new X509Certificate(certificate).raw).digest('hex');
}

function usable(secret: Secret): KeyPair {
  const advice = 'put back what was in it, or delete it to have a new one made';
  const complaint = (why: string): NoAuthority =>
    new NoAuthority(`Secret ${REF.namespace}/${REF.name} cannot sign: ${why}; ${advice}`);
  const pair = secretPair(secret);
  if (!pair) throw complaint('it has no tls.crt and tls.key');
  const certificate = parsed(pair, complaint);
  if (!certificate.ca) throw complaint('its certificate is no authority');
  if (certificate.subject !== `CN=${SUBJECT}`) {
    throw complaint(`its certificate is of ${certificate.subject}, wanted CN=${SUBJECT}`);
  }
  return pair;
}

function parsed(
  { certificate, key }: KeyPair,
  complaint: (why: string) => NoAuthority,
): X509Certificate {
  try {
    const found = new X509Certificate(certificate);
    if (found.checkPrivateKey(createPrivateKey(key))) return found;
  } catch (error) {
    throw complaint(error instanceof Error ? error.message : String(error));
  }
  throw complaint('its certificate is not of its key');
}

const BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----\n?/g;

/** Those that are told already stay until they end: what they signed is still in use. */
async function publish({ certificate }: KeyPair, { live, clock }: Context): Promise<void> {
  const told = (await live.get(ConfigMap, REF))?.data?.[TRUST_KEY] ?? '';
  const others = (told.match(BLOCK) ?? []).filter(
    (block) => block.trim() !== certificate.trim() && isValid(block, clock.now()),
  );
  await live.apply(ConfigMap, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { ...REF, labels: { [networkingKeys.trustBundle]: 'true' } },
    data: { [TRUST_KEY]: [certificate, ...others].map((block) => `${block.trim()}\n`).join('') },
  });
}

function isValid(block: string, now: Date): boolean {
  try {
    return new X509Certificate(block).validToDate > now;
  } catch {
    // Somebody else's text, which nobody could trust by.
    return false;
  }
}
