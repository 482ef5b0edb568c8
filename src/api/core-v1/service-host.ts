/** `name.namespace.svc`, with the cluster's domain or without. */
export function parseServiceHost(
  host: string,
  clusterDomain: string,
): { namespace: string; service: string } | undefined {
  const suffix = `.${clusterDomain}`;
  const short = host.endsWith(suffix) ? host.slice(0, -suffix.length) : host;
  const [service, namespace, svc, ...more] = short.split('.');
  if (!service || !namespace || svc !== 'svc' || more.length > 0) return undefined;
  return { namespace, service };
}
