import type { Group, GroupVersion } from '#apiserver/discovery/group-version.ts';
import type { ServedResource } from '#apiserver/discovery/served-resource.ts';

/** apidiscovery.k8s.io APIGroupDiscoveryList: all groups in one answer. v2 and v2beta1 differ in their name alone. */
export function aggregatedDiscovery(groups: readonly Group[], version: 'v2' | 'v2beta1'): unknown {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: `apidiscovery.k8s.io/${version}`,
    metadata: {},
    items: groups.map(({ name, versions }) => ({
      metadata: name === '' ? {} : { name },
      versions: versions.map(versionFields),
    })),
  };
}

function versionFields({ version, resources }: GroupVersion): unknown {
  const main = resources.filter((resource) => resource.subresource === undefined);
  return {
    version,
    resources: main.map((resource) => resourceFields(resource, resources)),
    freshness: 'Current',
  };
}

function resourceFields(resource: ServedResource, all: readonly ServedResource[]): unknown {
  const { plural, singular, scope, verbs, shortNames, categories } = resource;
  const subresources = all
    .filter((other) => other.plural === plural && other.subresource !== undefined)
    .map((other) => ({
      subresource: other.subresource,
      responseKind: responseKind(other),
      verbs: other.verbs,
    }));
  return {
    resource: plural,
    responseKind: responseKind(resource),
    scope,
    singularResource: singular,
    verbs,
    ...(shortNames.length > 0 && { shortNames }),
    ...(categories.length > 0 && { categories }),
    ...(subresources.length > 0 && { subresources }),
  };
}

/** Empty group and version mean those of the resource. */
function responseKind({ content, group, version }: ServedResource): unknown {
  const isForeign = content.group !== group || content.version !== version;
  return {
    group: isForeign ? content.group : '',
    version: isForeign ? content.version : '',
    kind: content.kind,
  };
}
