import { Secret } from '#api/core-v1/secret.ts';
import { subdomain } from '#api/meta/name-errors.ts';
import { isOwnedBy } from '#api/meta/object-meta.ts';
import { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { CERTIFICATE_CLASS, networkingAliases } from '#api/networking-v1alpha1/networking-keys.ts';
import { findAlias } from '#api/serving-v1/serving-keys.ts';
import {
  defineController,
  keyOf,
  on,
  type Context,
  type Controller,
} from '#reconcile/controller.ts';
import { NoAuthority } from '#controllers/serving/certificate/built-in-authority.ts';
import { removeOrder } from '#controllers/serving/certificate/acme-order.ts';
import { certificateOutcome } from '#controllers/serving/certificate/certificate-status.ts';
import {
  certificateSecret,
  heldCertificate,
} from '#controllers/serving/certificate/held-certificate.ts';
import { Issuers } from '#controllers/serving/certificate/choose-issuer.ts';
import type { Issuance, Issuer } from '#controllers/serving/certificate/issuer.ts';
import { placeOf } from '#controllers/serving/ensure-owned.ts';
import type { ServingConfig } from '#controllers/serving/serving-config.ts';

/** Certificate → a Secret that holds it, renewed before it ends (serving specification §3.11). */
export function certificateController(config: ServingConfig): Controller<Certificate> {
  const issuers = new Issuers(config);
  return defineController<Certificate>({
    kind: Certificate,
    owns: [Secret],
    watches: [
      // Some wait until it serves their challenges.
      on(Ingress, ({ metadata }, known) =>
        known
          .list(Certificate, metadata.namespace)
          .filter(({ status }) => status?.http01Challenges !== undefined)
          .map(keyOf),
      ),
    ],
    reconcile: async (certificate, context) =>
      isOurs(certificate, config) ? await reconcileCertificate(certificate, context, issuers) : {},
  });
}

/** Those of another class are somebody else's to provide. */
function isOurs({ metadata }: Certificate, config: ServingConfig): boolean {
  const said = findAlias(metadata.annotations, networkingAliases.certificateClass)?.value;
  return (said ?? config.settings().network.certificateClass) === CERTIFICATE_CLASS;
}

async function reconcileCertificate(
  certificate: Certificate,
  context: Context,
  issuers: Issuers,
): ReturnType<Controller<Certificate>['reconcile']> {
  const { client, live } = context;
  const now = context.clock.now();
  const { namespace } = placeOf(certificate.metadata);
  // Memory may not have it: it could be anybody's, and only ours need be watched.
  const secret = await live.get(Secret, { namespace, name: certificate.spec.secretName ?? '' });
  const held = heldCertificate(secret, certificate);
  const issuer =
    complaintOf(certificate, secret) ?? (await chosenIssuer(certificate, context, issuers));
  if ('refusal' in issuer) return certificateOutcome(certificate, { now, held, issuance: issuer });
  if (held?.issuer === issuer.id && now < held.renewAt) {
    await removeOrder(certificate, context);
    return certificateOutcome(certificate, { now, held });
  }
  const issuance = await issuer.issue(certificate, context);
  if (!('pair' in issuance)) return certificateOutcome(certificate, { now, held, issuance });
  const desired = certificateSecret(certificate, { issuer: issuer.id, ...issuance });
  await (secret
    ? client.update(Secret, { ...desired, metadata: { ...secret.metadata, ...desired.metadata } })
    : client.create(Secret, desired));
  const given = heldCertificate(desired, certificate);
  if (!given)
    throw new Error(`${issuer.id} gave a certificate for other names than it was asked for`);
  await removeOrder(certificate, context);
  return certificateOutcome(certificate, { now, held: given });
}

type Refusal = Extract<Issuance, { readonly refusal: unknown }>;

/** What nobody could provide, whoever is asked. */
function complaintOf(certificate: Certificate, secret: Secret | undefined): Refusal | undefined {
  const { dnsNames = [], secretName = '' } = certificate.spec;
  const wrong = dnsNames.filter((name) => subdomain(name.replace(/^\*\./, '')).length > 0);
  if (wrong.length > 0) {
    return { refusal: { reason: 'InvalidDNSName', message: `no DNS names: ${wrong.join(', ')}` } };
  }
  if (!secret || isOwnedBy(secret, certificate)) return undefined;
  const message = `There is an existing Secret "${secretName}" that we do not own.`;
  return { refusal: { reason: 'NotOwned', message } };
}

async function chosenIssuer(
  certificate: Certificate,
  context: Context,
  issuers: Issuers,
): Promise<Issuer | Refusal> {
  try {
    return await issuers.for(certificate, context);
  } catch (error) {
    if (!(error instanceof NoAuthority)) throw error;
    return { refusal: { reason: 'AuthorityUnusable', message: error.message } };
  }
}
