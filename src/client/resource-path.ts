import type { Kind } from '#api/kind.ts';
import type { Selection } from '#client/client.ts';

export interface ResourcePath {
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
  readonly subresource?: string | undefined;
}

/** Where the objects of a kind, one of them, or a part of it are found: `/apis/apps/v1/namespaces/a/deployments/b`. */
export function resourcePath(kind: Kind, path: ResourcePath = {}): string {
  const root = kind.group === '' ? `/api/${kind.version}` : `/apis/${kind.group}/${kind.version}`;
  const namespace = kind.scope === 'Namespaced' && path.namespace ? path.namespace : undefined;
  return [
    root,
    ...(namespace === undefined ? [] : ['namespaces', encodeURIComponent(namespace)]),
    kind.plural,
    ...(path.name === undefined ? [] : [encodeURIComponent(path.name)]),
    ...(path.subresource === undefined ? [] : [path.subresource]),
  ].join('/');
}

/** `?a=1&b=true`, or nothing; what is undefined or false is left out. */
export function queryOf(
  parameters: Readonly<Record<string, string | number | boolean | undefined>>,
): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== false) query.set(name, String(value));
  }
  return query.size === 0 ? '' : `?${query.toString()}`;
}

export function selectionQuery(selection: Selection): Record<string, string | undefined> {
  return { labelSelector: selection.labelSelector, fieldSelector: selection.fieldSelector };
}
