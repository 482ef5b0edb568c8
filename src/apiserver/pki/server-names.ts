export interface ServerNameOptions {
  readonly clusterDomain: string;
  /** Of the Service `kubernetes` and of the pod-facing address, and whatever else the server listens on. */
  readonly addresses: readonly string[];
}

/** What the API server's certificate must be for: every name and address that clients reach it by. */
export function serverNames({ clusterDomain, addresses }: ServerNameOptions): readonly string[] {
  const service = 'kubernetes.default';
  const names = [
    'localhost',
    'kubernetes',
    service,
    `${service}.svc`,
    `${service}.svc.${clusterDomain}`,
    '127.0.0.1',
    '::1',
    ...addresses,
  ];
  return [...new Set(names)];
}
