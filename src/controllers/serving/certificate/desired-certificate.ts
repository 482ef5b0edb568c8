import { apiVersionOf } from '#api/kind.ts';
import { controllerReference, type KubeObject } from '#api/meta/object-meta.ts';
import { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import { networkingAliases, networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import type { ServingSettings } from '#api/serving-config/config-maps.ts';
import { findAlias, LAST_APPLIED } from '#api/serving-v1/serving-keys.ts';
import { without } from '#controllers/serving/ensure-owned.ts';

export interface CertificateWish {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly dnsNames: readonly string[];
  /** What the names are in. */
  readonly domain: string;
}

/** The Certificate that `owner` asks for, of the class that it names, else the cluster. Its Secret has its name. */
export function desiredCertificate(
  owner: KubeObject,
  wish: CertificateWish,
  { network }: ServingSettings,
): Certificate {
  const { name, namespace, labels, dnsNames, domain } = wish;
  const { certificateClass } = networkingAliases;
  const { annotations } = owner.metadata;
  return {
    apiVersion: apiVersionOf(Certificate),
    kind: Certificate.kind,
    metadata: {
      name,
      namespace,
      labels: { ...labels },
      annotations: {
        ...without(annotations, [LAST_APPLIED, ...certificateClass]),
        [networkingKeys.certificateClass]:
          findAlias(annotations, certificateClass)?.value ?? network.certificateClass,
      },
      ownerReferences: [controllerReference(owner)],
    },
    spec: { dnsNames: dnsNames.toSorted(), domain, secretName: name },
  };
}
