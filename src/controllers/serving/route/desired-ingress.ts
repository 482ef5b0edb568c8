import { apiVersionOf } from '#api/kind.ts';
import { childName } from '#api/meta/child-name.ts';
import { Ingress, type IngressRule, type IngressSplit } from '#api/networking-v1alpha1/ingress.ts';
import { networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import type { Route } from '#api/serving-v1/route.ts';
import { LAST_APPLIED, servingKeys } from '#api/serving-v1/serving-keys.ts';
import { placeOf, without } from '#controllers/serving/ensure-owned.ts';
import type { AssignedTarget } from '#controllers/serving/route/assign-traffic.ts';
import type { RouteHosts } from '#controllers/serving/route/route-hosts.ts';

export interface IngressInput {
  readonly targets: readonly AssignedTarget[];
  /** By tag, '' for the Route itself. */
  readonly hosts: ReadonlyMap<string, RouteHosts>;
  readonly ingressClass: string;
}

/** What the gateway shall do for a Route, complete in itself. */
export function desiredIngress(
  route: Route,
  { targets, hosts, ingressClass }: IngressInput,
): Ingress {
  const { name, namespace } = placeOf(route.metadata);
  const tags = [...hosts].filter(([tag]) => tag !== '');
  const tagToHost = Object.fromEntries(tags.map(([tag, of]) => [tag, hostsOf(of)]));
  return {
    apiVersion: apiVersionOf(Ingress),
    kind: Ingress.kind,
    metadata: {
      name: childName(name, ''),
      namespace,
      labels: {
        ...route.metadata.labels,
        [servingKeys.route]: name,
        [servingKeys.routeNamespace]: namespace,
      },
      annotations: {
        ...without(route.metadata.annotations, [LAST_APPLIED]),
        [networkingKeys.ingressClass]: ingressClass,
        ...(tags.length > 0 && { [networkingKeys.tagToHost]: JSON.stringify(tagToHost) }),
      },
    },
    spec: {
      httpOption: 'Enabled',
      rules: [...hosts]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .flatMap(([tag, of]) => rulesOf(of, splitsOf(tag, { targets, namespace }))),
    },
  };
}

function hostsOf({ local, public: external }: RouteHosts): string[] {
  return [...local, ...(external === undefined ? [] : [external])];
}

function rulesOf(hosts: RouteHosts, splits: IngressSplit[]): IngressRule[] {
  if (splits.length === 0) return [];
  const http = { paths: [{ splits }] };
  return [
    { hosts: [...hosts.local], visibility: 'ClusterLocal', http },
    ...(hosts.public === undefined
      ? []
      : [{ hosts: [hosts.public], visibility: 'ExternalIP' as const, http }]),
  ];
}

/** The shares of a host: per Revision one, a lone one whole, none of 0 %. */
function splitsOf(
  tag: string,
  {
    targets,
    namespace,
  }: { readonly targets: readonly AssignedTarget[]; readonly namespace: string },
): IngressSplit[] {
  const shares = new Map<string, AssignedTarget>();
  for (const target of tag === '' ? targets : targets.filter((one) => one.tag === tag)) {
    const known = shares.get(target.revisionName);
    const percent = (known?.percent ?? 0) + target.percent;
    shares.set(target.revisionName, { ...target, percent });
  }
  const all = [...shares.values()];
  const active = all.filter(({ percent }) => percent > 0);
  const lone = tag === '' ? active.length === 1 : all.length === 1;
  return (tag === '' || !lone ? active : all).map((target) => ({
    serviceNamespace: namespace,
    serviceName: target.revisionName,
    servicePort: target.protocol === 'h2c' ? 81 : 80,
    percent: lone ? 100 : target.percent,
    appendHeaders: {
      'Knative-Serving-Revision': target.revisionName,
      'Knative-Serving-Namespace': namespace,
    },
  }));
}
