import type { StatusOf } from '#api/kind.ts';
import { conditionOf, Conditions } from '#api/meta/conditions.ts';
import type { Configuration } from '#api/serving-v1/configuration.ts';
import type { Route } from '#api/serving-v1/route.ts';
import { Service } from '#api/serving-v1/service.ts';
import type { TrafficTarget } from '#api/serving-v1/traffic-target.ts';

/** What a reconcile of a Service found; a child is absent where it was not looked at. */
export interface ObservedService {
  readonly configuration?: Configuration | 'not owned';
  readonly route?: Route | 'not owned';
  /** A revision name the user chose and another revision has. */
  readonly takenName?: string;
}

export function serviceStatus(
  service: Service,
  { configuration, route, takenName }: ObservedService,
  now: Date,
): StatusOf<Service> {
  const conditions = new Conditions({
    set: Service.conditions,
    previous: service.status?.conditions,
    now,
  });
  const name = service.metadata.name ?? '';
  const latest = isCurrent(configuration) ? configuration.status : service.status;
  const routed = isCurrent(route) ? route.status : service.status;
  if (configuration) markConfiguration(conditions, configuration, name);
  if (route) markRoute(conditions, route, name);
  const isAssigned = isMigrated(
    service,
    latest?.latestReadyRevisionName ?? '',
    routed?.traffic ?? [],
  );
  if (conditions.isTrue('RoutesReady') && !isAssigned) {
    const message = 'Traffic is not yet migrated to the latest revision.';
    conditions.markUnknown('RoutesReady', 'TrafficNotMigrated', message);
  }
  if (takenName !== undefined) {
    const message = `The revision name "${takenName}" is taken by a conflicting Revision, so traffic will not be migrated`;
    conditions.markFalse('RoutesReady', 'RevisionNameTaken', message);
  }
  return {
    ...(service.metadata.generation && { observedGeneration: service.metadata.generation }),
    ...pick(latest, ['latestCreatedRevisionName', 'latestReadyRevisionName']),
    ...pick(routed, ['url', 'address', 'traffic']),
    conditions: conditions.list(),
  };
}

/** Whether the child's status is about its newest spec. */
export function isCurrent<T extends Configuration | Route>(
  child: T | 'not owned' | undefined,
): child is T {
  if (!child || child === 'not owned') return false;
  return child.status?.observedGeneration === child.metadata.generation;
}

function markConfiguration(
  conditions: Conditions,
  configuration: Configuration | 'not owned',
  name: string,
): void {
  const type = 'ConfigurationsReady';
  if (configuration === 'not owned') {
    const message = `There is an existing Configuration "${name}" that we do not own.`;
    conditions.markFalse(type, 'NotOwned', message);
  } else if (!isCurrent(configuration)) {
    conditions.markUnknown(type, 'OutOfDate', outOfDate('Configuration'));
  } else conditions.mark(type, conditionOf(configuration, 'Ready'));
}

function markRoute(conditions: Conditions, route: Route | 'not owned', name: string): void {
  const type = 'RoutesReady';
  if (route === 'not owned') {
    const message = `There is an existing Route "${name}" that we do not own.`;
    conditions.markFalse(type, 'NotOwned', message);
  } else if (!isCurrent(route)) {
    conditions.markUnknown(type, 'OutOfDate', outOfDate('Route'));
  } else conditions.mark(type, conditionOf(route, 'Ready'));
}

/** A Route that is Ready may still lead to the revisions of before. */
function isMigrated(service: Service, latest: string, traffic: readonly TrafficTarget[]): boolean {
  const wanted = (service.spec.traffic ?? []).map((target) => shareOf(target, latest));
  return wanted.join() === traffic.map((target) => shareOf(target, latest)).join();
}

function shareOf({ revisionName, percent = 0, tag = '' }: TrafficTarget, latest: string): string {
  return `${revisionName || latest} ${percent} ${tag}`;
}

function outOfDate(kind: string): string {
  return `The ${kind} is still working to reflect the latest desired specification.`;
}

function pick<T extends object, K extends keyof T>(
  from: T | undefined,
  names: readonly K[],
): Partial<Pick<T, K>> {
  const picked: Partial<Pick<T, K>> = {};
  for (const name of names) if (from?.[name] !== undefined) picked[name] = from[name];
  return picked;
}
