import { createHash } from 'node:crypto';
import type { Ingress, IngressPath } from '#api/networking-v1alpha1/ingress.ts';

/**
 * What a prober sees when it asks whether this very version is served: SHA-256 of the spec, the namespace and the name, in
 * hexadecimal. Upstream's own probers compute it too, so the spec is written as Go writes it: fields in the order of its
 * types and not of the object, maps by their keys, nothing that is empty, `<`, `>` and `&` escaped.
 */
export function hashOf({ spec, metadata }: Ingress): string {
  const { namespace = '', name = '' } = metadata;
  const ordered = {
    tls: unlessEmpty(
      spec.tls?.map(({ hosts, secretName, secretNamespace }) => ({
        hosts: unlessEmpty(hosts),
        secretName: secretName || undefined,
        secretNamespace: secretNamespace || undefined,
      })),
    ),
    rules: unlessEmpty(
      spec.rules?.map(({ hosts, visibility, http }) => ({
        hosts: unlessEmpty(hosts),
        visibility: visibility || undefined,
        http: http && { paths: http.paths.map(orderedPath) },
      })),
    ),
    httpOption: spec.httpOption || undefined,
  };
  const text = JSON.stringify(ordered).replaceAll(/[<>&\u2028\u2029]/g, escaped);
  return createHash('sha256').update(`${text}${namespace}${name}`).digest('hex');
}

function orderedPath(path: IngressPath): object {
  return {
    path: path.path || undefined,
    rewriteHost: path.rewriteHost || undefined,
    headers: sorted(path.headers),
    splits: path.splits.map((split) => ({
      serviceNamespace: split.serviceNamespace,
      serviceName: split.serviceName,
      servicePort: split.servicePort,
      percent: split.percent || undefined,
      appendHeaders: sorted(split.appendHeaders),
    })),
    appendHeaders: sorted(path.appendHeaders),
  };
}

function sorted<T>(map: Readonly<Record<string, T>> | undefined): object | undefined {
  const entries = Object.entries(map ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return entries.length > 0 ? Object.fromEntries(entries) : undefined;
}

function unlessEmpty<T>(list: readonly T[] | undefined): readonly T[] | undefined {
  return list && list.length > 0 ? list : undefined;
}

function escaped(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
