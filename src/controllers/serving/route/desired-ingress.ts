import { apiVersionOf } from '#api/kind.ts';
import { childName } from '#api/meta/child-name.ts';
import {
  Ingress,
  type IngressPath,
  type IngressRule,
  type IngressSplit,
} from '#api/networking-v1alpha1/ingress.ts';
import { networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import type { ServingSettings } from '#api/serving-config/config-maps.ts';
import type { Route } from '#api/serving-v1/route.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import { placeOf } from '#controllers/serving/ensure-owned.ts';
import { challengePaths, type TlsState } from '#controllers/serving/certificate/tls-state.ts';
import { httpOption } from '#controllers/serving/http-option.ts';
import { ingressAnnotations } from '#controllers/serving/ingress-annotations.ts';
import type { HostShare } from '#controllers/serving/route/host-shares.ts';
import { rolloutText, type ConfigurationRollout } from '#controllers/serving/route/rollout.ts';
import type { RouteHosts } from '#controllers/serving/route/route-hosts.ts';

const TAG = 'Knative-Serving-Tag';

export interface IngressInput {
  /** By tag, '' for the Route itself. */
  readonly hosts: ReadonlyMap<string, RouteHosts>;
  /** What each of them gets at the moment. */
  readonly shares: ReadonlyMap<string, readonly HostShare[]>;
  readonly rollouts: readonly ConfigurationRollout[];
  readonly tls: TlsState;
  readonly settings: ServingSettings;
}

/** Where a Route's Ingress is. */
export function ingressPlace({ metadata }: Route): ReturnType<typeof placeOf> {
  const { name, namespace } = placeOf(metadata);
  return { name: childName(name, ''), namespace };
}

/** What the gateway shall do for a Route, complete in itself. */
export function desiredIngress(
  route: Route,
  { hosts, shares, rollouts, tls, settings }: IngressInput,
): Ingress {
  // A header chooses a tag on the Route's own hosts (serving specification §5.5).
  const isTagHeaderRouted = settings.features.tagHeaderBasedRouting === 'Enabled';
  const { name, namespace } = placeOf(route.metadata);
  const splits = new Map([...shares].map(([tag, of]) => [tag, splitsOf(of, namespace)] as const));
  const tags = [...hosts].filter(([tag]) => tag !== '');
  const tagToHost = Object.fromEntries(tags.map(([tag, of]) => [tag, hostsOf(of)]));
  return {
    apiVersion: apiVersionOf(Ingress),
    kind: Ingress.kind,
    metadata: {
      ...ingressPlace(route),
      labels: {
        ...route.metadata.labels,
        [servingKeys.route]: name,
        [servingKeys.routeNamespace]: namespace,
      },
      annotations: {
        ...ingressAnnotations(route.metadata.annotations, settings),
        [networkingKeys.rollout]: rolloutText(rollouts),
        ...(tags.length > 0 && { [networkingKeys.tagToHost]: JSON.stringify(tagToHost) }),
      },
    },
    spec: {
      httpOption: httpOption(route.metadata.annotations, settings),
      ...(tls.tls.length > 0 && { tls: [...tls.tls] }),
      rules: [...hosts]
        .toSorted(([a], [b]) => (a < b ? -1 : 1))
        .flatMap(([tag, of]) =>
          rulesOf(
            of,
            isTagHeaderRouted ? tagHeaderPaths(tag, splits) : plainPaths(tag, splits),
            tls,
          ),
        ),
    },
  };
}

function hostsOf({ local, public: external }: RouteHosts): string[] {
  return [...local, ...(external === undefined ? [] : [external])];
}

/** By tag. */
type Splits = ReadonlyMap<string, IngressSplit[]>;

function plainPaths(tag: string, all: Splits): IngressPath[] {
  const splits = all.get(tag) ?? [];
  return splits.length === 0 ? [] : [{ splits }];
}

/** A request whose header names a tag goes there; a header that names none changes nothing. */
function tagHeaderPaths(tag: string, all: Splits): IngressPath[] {
  if (tag !== '') {
    return plainPaths(tag, all).map((path) => ({ ...path, appendHeaders: { [TAG]: tag } }));
  }
  const named = [...all]
    .filter(([of, splits]) => of !== '' && splits.length > 0)
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([of, splits]) => ({ headers: { [TAG]: { exact: of } }, splits }));
  const own = plainPaths(tag, all).map((path) => ({
    ...path,
    appendHeaders: { 'Knative-Serving-Default-Route': 'true' },
  }));
  return [...named, ...own];
}

function rulesOf(hosts: RouteHosts, paths: IngressPath[], tls: TlsState): IngressRule[] {
  if (paths.length === 0) return [];
  const { local, public: host } = hosts;
  return [
    { hosts: [...local], visibility: 'ClusterLocal', http: { paths } },
    ...(host === undefined
      ? []
      : [
          {
            hosts: [host],
            visibility: 'ExternalIP' as const,
            http: { paths: [...challengePaths(host, tls), ...paths] },
          },
        ]),
  ];
}

/** Per Revision one, however many Configurations lead to it. */
function splitsOf(shares: readonly HostShare[], namespace: string): IngressSplit[] {
  const percents = new Map<string, number>();
  for (const { revisionName, percent } of shares) {
    percents.set(revisionName, (percents.get(revisionName) ?? 0) + percent);
  }
  return [...percents].map(([revisionName, percent]) => ({
    serviceNamespace: namespace,
    serviceName: revisionName,
    servicePort: shares.some((one) => one.revisionName === revisionName && one.protocol === 'h2c')
      ? 81
      : 80,
    percent,
    appendHeaders: {
      'Knative-Serving-Revision': revisionName,
      'Knative-Serving-Namespace': namespace,
    },
  }));
}
