import { pathOf, type Group, type GroupVersion } from '#apiserver/discovery/group-version.ts';
import type { ServedResource } from '#apiserver/discovery/served-resource.ts';

/*
 * Discovery as every client knows it, one document for each group and version: meta/v1 APIVersions, APIGroupList,
 * APIGroup and APIResourceList.
 */

export function apiVersions(core: Group | undefined): unknown {
  const versions = core?.versions.map(({ version }) => version) ?? [];
  return { kind: 'APIVersions', versions, serverAddressByClientCIDRs: [] };
}

export function apiGroupList(groups: readonly Group[]): unknown {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(groupFields) };
}

export function apiGroup(group: Group): unknown {
  return { kind: 'APIGroup', apiVersion: 'v1', ...groupFields(group) };
}

export function apiResourceList({ name, resources }: GroupVersion): unknown {
  return {
    kind: 'APIResourceList',
    apiVersion: 'v1',
    groupVersion: name,
    resources: resources.map(resourceFields),
  };
}

function groupFields({ name, versions }: Group): Record<string, unknown> {
  const listed = versions.map(({ name: groupVersion, version }) => ({ groupVersion, version }));
  return { name, versions: listed, preferredVersion: listed[0] };
}

function resourceFields(resource: ServedResource): unknown {
  const { content, singular, scope, verbs, shortNames, categories } = resource;
  // Only a kind from elsewhere is named with its group and version.
  const isForeign = content.group !== resource.group || content.version !== resource.version;
  return {
    name: pathOf(resource),
    singularName: singular,
    namespaced: scope === 'Namespaced',
    ...(isForeign && { group: content.group, version: content.version }),
    kind: content.kind,
    verbs,
    ...(shortNames.length > 0 && { shortNames }),
    ...(categories.length > 0 && { categories }),
  };
}
