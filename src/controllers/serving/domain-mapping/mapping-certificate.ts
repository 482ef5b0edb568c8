import { childName } from '#api/meta/child-name.ts';
import { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import { networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import type { DomainMapping } from '#api/serving-v1beta1/domain-mapping.ts';
import type { Context } from '#reconcile/controller.ts';
import { desiredCertificate } from '#controllers/serving/certificate/desired-certificate.ts';
import {
  certificateTeller,
  notEnabled,
  tlsState,
  type CertificateWords,
  type TlsState,
} from '#controllers/serving/certificate/tls-state.ts';
import { ensureOwned, placeOf } from '#controllers/serving/ensure-owned.ts';
import { isExternalTlsEnabled } from '#controllers/serving/route/route-certificates.ts';
import type { ServingConfig } from '#controllers/serving/serving-config.ts';

const WORDS: CertificateWords = {
  notReady: (name) => `Certificate ${name} is not ready.`,
  failed: (name) => `Certificate ${name} failed to be provisioned.`,
};

/** The author's own certificate, or one that is asked for (serving specification §3.10); and how that stands. */
export async function ensureMappingTls(
  mapping: DomainMapping,
  context: Context,
  config: ServingConfig,
): Promise<TlsState> {
  const { name: host, namespace } = placeOf(mapping.metadata);
  const secretName = mapping.spec.tls?.secretName;
  if (secretName) {
    const message = 'TLS certificate was provided externally';
    return {
      tls: [{ hosts: [host], secretName, secretNamespace: namespace }],
      challenges: [],
      secure: new Set([host]),
      said: { status: 'True', reason: 'CertificateExternallyProvided', message },
    };
  }
  if (!isExternalTlsEnabled(mapping, config)) return notEnabled();
  const settings = config.settings();
  const wish = {
    name: childName(host, ''),
    namespace,
    labels: {
      [servingKeys.domainMappingUid]: mapping.metadata.uid ?? '',
      [servingKeys.domainMappingNamespace]: namespace,
      [networkingKeys.certificateType]: 'external-domain',
    },
    dnsNames: [host],
    domain: host,
  };
  const desired = desiredCertificate(mapping, wish, settings);
  const certificate = await ensureOwned(context.client, Certificate, {
    owner: mapping,
    desired,
    settings,
    teller: certificateTeller(desired, { context, component: 'domainmapping-controller' }),
  });
  const all = [{ name: wish.name, certificate, hosts: [host], isLocal: false }];
  return tlsState(all, settings, WORDS);
}
