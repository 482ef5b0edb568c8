import { Service } from '#api/core-v1/service.ts';
import type { Kind } from '#api/kind.ts';
import { dns1035Error } from '#api/meta/dns-label.ts';
import { isOwnedBy, type KubeObject } from '#api/meta/object-meta.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { Route } from '#api/serving-v1/route.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import type { Client } from '#client/client.ts';
import { defineController, on, type Context, type Controller } from '#reconcile/controller.ts';
import { recordEvent } from '#reconcile/record-event.ts';
import { ensureOwned, placeOf } from '#controllers/serving/ensure-owned.ts';
import {
  assignTraffic,
  type Assignment,
  type Targets,
} from '#controllers/serving/route/assign-traffic.ts';
import { desiredIngress } from '#controllers/serving/route/desired-ingress.ts';
import { desiredPlaceholder, gatewayOf } from '#controllers/serving/route/desired-placeholder.ts';
import { hostName, routeHosts, type RouteHosts } from '#controllers/serving/route/route-hosts.ts';
import { routeStatus } from '#controllers/serving/route/route-status.ts';
import { RoutesNaming } from '#controllers/serving/route/routes-naming.ts';
import type { ServingConfig } from '#controllers/serving/serving-config.ts';

/** Route → an Ingress for the gateway and a Service per host name (serving specification §3.4). */
export function routeController(config: ServingConfig): Controller<Route> {
  const naming = new RoutesNaming();
  return defineController<Route>({
    kind: Route,
    owns: [Ingress, Service],
    watches: [
      on(Configuration, (configuration) => naming.ofConfiguration(configuration)),
      on(Revision, (revision) => naming.ofRevision(revision)),
    ],
    async reconcile(route, context) {
      naming.remember(route);
      return reconcileRoute(route, context, config);
    },
    forget: (key) => naming.forget(key),
  });
}

async function reconcileRoute(
  route: Route,
  context: Context,
  config: ServingConfig,
): ReturnType<Controller<Route>['reconcile']> {
  const { client, clock } = context;
  const assignment = withHosts(route, assignTraffic(route, await readTargets(client, route)));
  const now = clock.now();
  // Until all of it can be assigned, what was assigned before goes on.
  if ('problem' in assignment) {
    return { status: routeStatus(route, { assignment, hosts: new Map() }, { now, config }) };
  }
  const { targets } = assignment;
  const hosts = await readHosts(client, route, { tags: targets.map(({ tag }) => tag), config });
  const desired = desiredIngress(route, { targets, hosts, ingressClass: config.ingressClass });
  const ensured = await ensureOwned(client, Ingress, { owner: route, desired });
  if (ensured?.isNew) await tellCreated(context, route, `Ingress "${desired.metadata.name}"`);
  const gateway = ensured
    ? gatewayOf(ensured.object, config.privateGateway)
    : config.privateGateway;
  const takenPlaceholder = await ensurePlaceholders(route, context, {
    tags: [...hosts.keys()],
    gateway,
  });
  const observed = {
    assignment,
    hosts,
    ingress: ensured?.object ?? ('not owned' as const),
    ...(takenPlaceholder !== undefined && { takenPlaceholder }),
  };
  return { status: routeStatus(route, observed, { now, config }) };
}

/** Tag and name together may be no host name, though each of them is one. */
function withHosts(route: Route, assignment: Assignment): Assignment {
  if ('problem' in assignment) return assignment;
  for (const { tag } of assignment.targets) {
    const host = hostName(route, tag);
    const error = dns1035Error(host);
    if (error === undefined) continue;
    const message = `Invalid host name "${host}" of the tag "${tag}": ${error}`;
    return { problem: { status: 'False', reason: 'ErrorConfig', message } };
  }
  return assignment;
}

async function readTargets(client: Client, route: Route): Promise<Targets> {
  const { namespace } = placeOf(route.metadata);
  const traffic = route.spec.traffic ?? [];
  const configurations = await readNamed(client, Configuration, {
    namespace,
    names: traffic.map(({ configurationName }) => configurationName),
  });
  const latest = [...configurations.values()].map(({ status }) => status?.latestReadyRevisionName);
  const revisions = await readNamed(client, Revision, {
    namespace,
    names: [...latest, ...traffic.map(({ revisionName }) => revisionName)],
  });
  return { configurations, revisions };
}

async function readNamed<T extends KubeObject>(
  client: Client,
  kind: Kind<T>,
  {
    namespace,
    names,
  }: { readonly namespace: string; readonly names: readonly (string | undefined)[] },
): Promise<ReadonlyMap<string, T>> {
  const found = new Map<string, T>();
  for (const name of new Set(names)) {
    const object = name ? await client.get(kind, { namespace, name }) : undefined;
    if (name && object) found.set(name, object);
  }
  return found;
}

async function readHosts(
  client: Client,
  route: Route,
  { tags, config }: { readonly tags: readonly string[]; readonly config: ServingConfig },
): Promise<ReadonlyMap<string, RouteHosts>> {
  const { namespace } = placeOf(route.metadata);
  const hosts = new Map<string, RouteHosts>();
  for (const tag of new Set(['', ...tags])) {
    const placeholder = await client.get(Service, { namespace, name: hostName(route, tag) });
    const labels = tag === '' ? undefined : placeholder?.metadata.labels;
    hosts.set(tag, routeHosts(route, { tag, labels }, config));
  }
  return hosts;
}

/** Makes the wanted Services and deletes the others; a name that somebody else has is returned. */
async function ensurePlaceholders(
  route: Route,
  context: Context,
  { tags, gateway }: { readonly tags: readonly string[]; readonly gateway: string },
): Promise<string | undefined> {
  const { client } = context;
  const { name: routeName, namespace } = placeOf(route.metadata);
  for (const tag of tags) {
    const desired = desiredPlaceholder(route, { tag, gateway });
    const { name } = placeOf(desired.metadata);
    const existing = await client.get(Service, { namespace, name });
    if (existing && !isOwnedBy(existing, route)) return name;
    await client.apply(Service, desired);
    if (!existing) await tellCreated(context, route, `placeholder service "${name}"`);
  }
  const wanted = tags.map((tag) => hostName(route, tag));
  const labelSelector = `${servingKeys.route}=${routeName}`;
  const { items } = await client.list(Service, { namespace, labelSelector });
  for (const service of items) {
    const { name } = placeOf(service.metadata);
    if (isOwnedBy(service, route) && !wanted.includes(name)) {
      await client.delete(Service, { namespace, name });
    }
  }
  return undefined;
}

async function tellCreated(context: Context, route: Route, what: string): Promise<void> {
  await recordEvent(context, route, {
    type: 'Normal',
    reason: 'Created',
    message: `Created ${what}`,
    component: 'route-controller',
  });
}
