/** Labels and annotations of Knative's networking groups. */
export const networkingKeys = {
  /** Annotation of an Ingress: who serves it. Everybody else leaves the object alone. */
  ingressClass: 'networking.knative.dev/ingress.class',
  /** Annotation of a Certificate: who provides it. */
  certificateClass: 'networking.knative.dev/certificate.class',
  /** Label of a Certificate: `external-domain` or `cluster-local-domain`. */
  certificateType: 'networking.knative.dev/certificate-type',
  /** Label of a Certificate for all hosts of a namespace: their domain. */
  wildcardDomain: 'networking.knative.dev/wildcardDomain',
  /** Label of a Secret: the uid of the Certificate that it was made for. */
  certificateUid: 'networking.internal.knative.dev/certificate-uid',
  /** Label of a ConfigMap that holds authorities which others may trust. */
  trustBundle: 'networking.knative.dev/trust-bundle',
  /** Label of a Route or its placeholder Service; only the value `cluster-local` means anything. */
  visibility: 'networking.knative.dev/visibility',
  /** Label of the two Services of a ServerlessService: its name. */
  serverlessService: 'networking.internal.knative.dev/serverlessservice',
  /** Label of these Services: `Public` or `Private`. */
  serviceType: 'networking.internal.knative.dev/serviceType',
  /** Annotation of an Ingress: JSON, how far a gradual rollout is. */
  rollout: 'networking.internal.knative.dev/rollout',
  /** Annotation of an Ingress: JSON from tag to hosts. */
  tagToHost: 'networking.internal.knative.dev/tag-to-host',
} as const;

/** Annotations of Routes that have several spellings; the first one present counts. */
export const networkingAliases = {
  ingressClass: ['networking.knative.dev/ingress-class', 'networking.knative.dev/ingress.class'],
  certificateClass: [
    'networking.knative.dev/certificate-class',
    'networking.knative.dev/certificate.class',
  ],
  disableExternalDomainTls: [
    'networking.knative.dev/disable-external-domain-tls',
    'networking.knative.dev/disable-auto-tls',
    'networking.knative.dev/disableAutoTLS',
  ],
  httpProtocol: ['networking.knative.dev/httpOption', 'networking.knative.dev/http-protocol'],
} as const;

/** The class that our gateway serves. */
export const INGRESS_CLASS = 'knode.ingress.networking.knative.dev';
/** The ConfigMap that holds, in PEM, the authority of the cluster's own; and in which key. */
export const TRUST_BUNDLE = { namespace: 'knative-serving', name: 'certificate-authority' };
export const TRUST_KEY = 'ca.crt';

/** The class that is provided here. */
export const CERTIFICATE_CLASS = 'knode.certificate.networking.knative.dev';
