import { AcmeClient } from '#acme/acme-client.ts';
import { makeKey } from '#base/x509/certificate.ts';
import { Secret } from '#api/core-v1/secret.ts';
import { hasReason } from '#api/meta/api-error.ts';
import type { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import { networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import { CONFIG_NAMESPACE, type ServingSettings } from '#api/serving-config/config-maps.ts';
import type { Context } from '#reconcile/controller.ts';
import { acmeIssuer } from '#controllers/serving/certificate/acme-issuer.ts';
import { builtInIssuer } from '#controllers/serving/certificate/built-in-issuer.ts';
import { base64 } from '#controllers/serving/certificate/held-certificate.ts';
import type { Issuer } from '#controllers/serving/certificate/issuer.ts';
import type { ServingConfig } from '#controllers/serving/serving-config.ts';

type CertificateSettings = ServingSettings['certmanager'];

/** Who gives which certificate: for names that the world knows the ACME server where there is one, else this cluster. */
export class Issuers {
  readonly #config: ServingConfig;
  /** Of the server that is asked now: it remembers where things are there. */
  #client: { readonly of: string; readonly client: AcmeClient } | undefined;

  constructor(config: ServingConfig) {
    this.#config = config;
  }

  /** Throws NoAuthority. */
  async for(certificate: Certificate, context: Context): Promise<Issuer> {
    const { certmanager } = this.#config.settings();
    if (isOfCluster(certificate, certmanager)) return await builtInIssuer(context);
    const client = await this.#clientOf(certmanager, context);
    const { challenges } = this.#config;
    return acmeIssuer({ directory: certmanager.acmeDirectory, client, challenges });
  }

  async #clientOf(settings: CertificateSettings, context: Context): Promise<AcmeClient> {
    const { acmeDirectory: directory, acmeEmail: email, acmeRoots: roots } = settings;
    const accountKey = await openAccountKey(context);
    const of = JSON.stringify([directory, email, roots, accountKey]);
    if (this.#client?.of !== of) {
      const { clock } = context;
      this.#client = { of, client: new AcmeClient({ directory, email, roots, accountKey, clock }) };
    }
    return this.#client.client;
  }
}

/** Domains that no server outside can look at (RFC 6761, RFC 6762, RFC 8375, and ICANN's own for private use). */
const LOCAL = ['localhost', 'local', 'internal', 'test', 'home.arpa'];

/** What is the cluster's own to vouch for. */
function isOfCluster(
  { metadata, spec }: Pick<Certificate, 'metadata' | 'spec'>,
  { acmeDirectory, builtInDomains }: Pick<CertificateSettings, 'acmeDirectory' | 'builtInDomains'>,
): boolean {
  if (acmeDirectory === '') return true;
  if (metadata.labels?.[networkingKeys.certificateType] === 'cluster-local-domain') return true;
  const domains = [...LOCAL, ...builtInDomains];
  return (spec.dnsNames ?? []).every(
    (name) =>
      !name.includes('.') ||
      domains.some((domain) => name === domain || name.endsWith(`.${domain}`)),
  );
}

const ACCOUNT = { namespace: CONFIG_NAMESPACE, name: 'acme-account' };
const KEY = 'account.key';

/** Made once: whoever has it is the account, whatever process asks. */
async function openAccountKey(context: Context): Promise<string> {
  const { live } = context;
  const existing = await live.get(Secret, ACCOUNT);
  const kept = existing?.data?.[KEY];
  if (kept) return Buffer.from(kept, 'base64').toString();
  const key = makeKey();
  try {
    const head = { apiVersion: 'v1', kind: 'Secret', metadata: { ...ACCOUNT } } as const;
    if (existing) await live.update(Secret, { ...existing, data: { [KEY]: base64(key) } });
    else await live.create(Secret, { ...head, type: 'Opaque', data: { [KEY]: base64(key) } });
    return key;
  } catch (error) {
    if (!hasReason(error, 'AlreadyExists') && !hasReason(error, 'Conflict')) throw error;
    return await openAccountKey(context);
  }
}
