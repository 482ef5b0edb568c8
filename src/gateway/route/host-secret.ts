import type { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import type { SecretRef } from '../tls/serving-certificates.ts';

/** What an Ingress says of TLS: the Secrets that it names, each with the hosts that it is for. */
export interface IngressTls {
  /** Every host of the Ingress where empty. */
  readonly hosts: readonly string[];
  readonly secret: SecretRef;
}

export function tlsOf({ spec, metadata }: Ingress): readonly IngressTls[] {
  return (spec.tls ?? []).map(({ hosts, secretName = '', secretNamespace }) => ({
    hosts: (hosts ?? []).map((host) => host.toLowerCase()),
    secret: { namespace: secretNamespace || (metadata.namespace ?? ''), name: secretName },
  }));
}

/** Whose certificate is shown to who asks for `host`: that of the host itself, else of its domain, else of all. */
export function secretFor(tls: readonly IngressTls[], host: string): SecretRef | undefined {
  const wildcard = `*${host.slice(host.indexOf('.'))}`;
  const named = (name: string): IngressTls | undefined =>
    tls.find(({ hosts }) => hosts.includes(name));
  const found = named(host) ?? named(wildcard) ?? tls.find(({ hosts }) => hosts.length === 0);
  return found?.secret;
}
