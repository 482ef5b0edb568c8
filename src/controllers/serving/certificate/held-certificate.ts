import { createPrivateKey, X509Certificate } from 'node:crypto';
import type { KeyPair } from '#base/x509/certificate.ts';
import type { Secret } from '#api/core-v1/secret.ts';
import { apiVersionOf } from '#api/kind.ts';
import { controllerReference } from '#api/meta/object-meta.ts';
import type { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import { networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import { Secret as SecretKind } from '#api/core-v1/secret.ts';
import { placeOf } from '#controllers/serving/ensure-owned.ts';

/** Annotation of a Secret: the issuer of what is in it. */
const ISSUER = 'knode.dev/issuer';

/** A certificate that is in its Secret, for the names that are asked for. */
export interface HeldCertificate {
  readonly issuer: string | undefined;
  readonly notAfter: Date;
  /** A third of its life before its end: what keeps it from being renewed may last some weeks. */
  readonly renewAt: Date;
}

/** Undefined where the Secret holds none for exactly these names, with its key. */
export function heldCertificate(
  secret: Secret | undefined,
  { spec }: Certificate,
): HeldCertificate | undefined {
  const leaf = leafOf(secret);
  if (!leaf || !isSame(namesOf(leaf), spec.dnsNames ?? [])) return undefined;
  const { validFromDate: from, validToDate: notAfter } = leaf;
  const renewAt = new Date(notAfter.getTime() - (notAfter.getTime() - from.getTime()) / 3);
  return { issuer: secret?.metadata.annotations?.[ISSUER], notAfter, renewAt };
}

/** The Secret for what an issuer gave. */
export function certificateSecret(
  certificate: Certificate,
  {
    issuer,
    pair,
    authority,
  }: { readonly issuer: string; readonly pair: KeyPair; readonly authority?: string },
): Secret {
  const { namespace } = placeOf(certificate.metadata);
  const { uid = '' } = certificate.metadata;
  return {
    apiVersion: apiVersionOf(SecretKind),
    kind: SecretKind.kind,
    metadata: {
      name: certificate.spec.secretName ?? '',
      namespace,
      labels: { [networkingKeys.certificateUid]: uid },
      annotations: { [ISSUER]: issuer },
      ownerReferences: [controllerReference(certificate)],
    },
    type: 'kubernetes.io/tls',
    data: {
      'tls.crt': base64(pair.certificate),
      'tls.key': base64(pair.key),
      ...(authority !== undefined && { 'ca.crt': base64(authority) }),
    },
  };
}

/** What the Secret holds, where certificate and key belong together. */
function leafOf(secret: Secret | undefined): X509Certificate | undefined {
  const pair = secretPair(secret);
  if (!pair) return undefined;
  try {
    const leaf = new X509Certificate(pair.certificate);
    return leaf.checkPrivateKey(createPrivateKey(pair.key)) ? leaf : undefined;
  } catch {
    // Whatever else is in it: not what was asked for, and the issuer is asked again.
    return undefined;
  }
}

/** Under the keys that Secrets of the type kubernetes.io/tls have. */
export function secretPair(secret: Secret | undefined): KeyPair | undefined {
  const { 'tls.crt': certificate, 'tls.key': key } = secret?.data ?? {};
  if (!certificate || !key) return undefined;
  return {
    certificate: Buffer.from(certificate, 'base64').toString(),
    key: Buffer.from(key, 'base64').toString(),
  };
}

function namesOf({ subjectAltName }: X509Certificate): readonly string[] {
  return (subjectAltName?.split(', ') ?? []).map((name) => name.replace(/^DNS:/, ''));
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((name) => b.includes(name));
}

export function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
