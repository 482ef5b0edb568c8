import { Endpoints } from '#api/core-v1/endpoints.ts';
import type { StatusOf } from '#api/kind.ts';
import { Conditions, isFailed } from '#api/meta/conditions.ts';
import type { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { Route } from '#api/serving-v1/route.ts';
import type { AssignedTarget, Assignment } from '#controllers/serving/route/assign-traffic.ts';
import { divided, rolloutOf } from '#controllers/serving/route/host-shares.ts';
import type { TakenPlaceholder } from '#controllers/serving/route/ensure-placeholders.ts';
import type { ConfigurationRollout } from '#controllers/serving/route/rollout.ts';
import { localUrl, urlOf, type RouteHosts } from '#controllers/serving/route/route-hosts.ts';
import {
  markCertificates,
  notEnabled,
  type TlsState,
} from '#controllers/serving/certificate/tls-state.ts';
import { markIngress } from '#controllers/serving/ingress-condition.ts';
import type { ServingConfig } from '#controllers/serving/serving-config.ts';

export interface ObservedRoute {
  readonly assignment: Assignment;
  /** By tag; empty where traffic could not be assigned. */
  readonly hosts: ReadonlyMap<string, RouteHosts>;
  /** Where gradual rollouts are. */
  readonly rollouts?: readonly ConfigurationRollout[];
  readonly tls?: TlsState;
  /** Absent where somebody else has its name. */
  readonly ingress?: Ingress | undefined;
  /** A placeholder whose name is taken. */
  readonly takenPlaceholder?: TakenPlaceholder;
}

export function routeStatus(
  route: Route,
  observed: ObservedRoute,
  { now, config }: { readonly now: Date; readonly config: ServingConfig },
): StatusOf<Route> {
  const { assignment, hosts, rollouts = [], tls: { secure } = notEnabled() } = observed;
  const { generation } = route.metadata;
  const conditions = new Conditions({
    set: Route.conditions,
    previous: route.status?.conditions,
    now,
  });
  markAll(conditions, route, observed);
  const own = hosts.get('');
  return {
    ...route.status,
    ...(generation !== undefined && { observedGeneration: generation }),
    ...(own && { url: urlOf(own, secure, config), address: { url: localUrl(own, secure) } }),
    ...('targets' in assignment && {
      traffic: assignment.targets.flatMap((target) => {
        const { configuration, tag } = target;
        const tagged = tag === '' ? undefined : hosts.get(tag);
        return sharesOf(target, rollouts).map(({ revisionName, percent }) => ({
          revisionName,
          percent,
          latestRevision: configuration !== '',
          ...(tagged && { tag, url: urlOf(tagged, secure, config) }),
        }));
      }),
    }),
    conditions: conditions.list(),
  };
}

/** What a target has at the moment: of a rollout each Revision its part. */
function sharesOf(
  target: AssignedTarget,
  rollouts: readonly ConfigurationRollout[],
): readonly Pick<AssignedTarget, 'revisionName' | 'percent'>[] {
  const rollout = rolloutOf(rollouts, target);
  return rollout && target.percent > 0 ? divided(rollout, target.percent) : [target];
}

function markAll(
  conditions: Conditions,
  route: Route,
  { assignment, rollouts = [], tls = notEnabled(), ingress, takenPlaceholder }: ObservedRoute,
): void {
  if ('problem' in assignment) {
    conditions.mark('AllTrafficAssigned', assignment.problem);
    return;
  }
  conditions.markTrue('AllTrafficAssigned');
  markCertificates(conditions, tls);
  const type = 'IngressReady';
  if (takenPlaceholder) {
    const { kind, name } = takenPlaceholder;
    const what = kind === Endpoints ? 'Endpoint' : kind.kind;
    const message = `There is an existing placeholder ${what} "${name}" that we do not own.`;
    conditions.markFalse(type, 'NotOwned', message);
  } else if (isRollingOut(ingress, rollouts)) {
    const message = 'A gradual rollout of the latest revision(s) is in progress.';
    conditions.markUnknown(type, 'RolloutInProgress', message);
  } else markIngress(conditions, route.metadata.name ?? '', ingress);
}

function isRollingOut(
  ingress: Ingress | undefined,
  rollouts: readonly ConfigurationRollout[],
): boolean {
  const isOnItsWay = rollouts.some(({ startMs }) => startMs !== undefined);
  // Also while the gateway takes a step; but where it can take none, that says more.
  return isOnItsWay && ingress !== undefined && !isFailed(ingress);
}
