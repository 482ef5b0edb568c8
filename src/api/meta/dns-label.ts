/** Kubernetes' own words for a name that is no DNS-1035 label; undefined where it is one. */
export function dns1035Error(name: string): string | undefined {
  if (name.length > 63) return 'must be no more than 63 characters';
  if (/^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(name)) return undefined;
  return "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
}
