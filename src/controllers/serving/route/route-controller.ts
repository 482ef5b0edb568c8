import { Endpoints } from '#api/core-v1/endpoints.ts';
import { Service } from '#api/core-v1/service.ts';
import type { Kind } from '#api/kind.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { Certificate } from '#api/networking-v1alpha1/certificate.ts';
import { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { Route } from '#api/serving-v1/route.ts';
import type { Client } from '#client/client.ts';
import {
  defineController,
  keyOf,
  on,
  type Context,
  type Controller,
} from '#reconcile/controller.ts';
import { doesNotOwn, ensureOwned, placeOf } from '#controllers/serving/ensure-owned.ts';
import { certificateTaken } from '#controllers/serving/certificate/tls-state.ts';
import {
  assignTraffic,
  type AssignedTarget,
  type Targets,
  type UnassignedTraffic,
} from '#controllers/serving/route/assign-traffic.ts';
import { desiredIngress, ingressPlace } from '#controllers/serving/route/desired-ingress.ts';
import { ensurePlaceholders } from '#controllers/serving/route/ensure-placeholders.ts';
import { rolledOut, rolledOutRevisions } from '#controllers/serving/route/rolled-out.ts';
import {
  hostName,
  NoHost,
  routeHosts,
  type RouteHosts,
} from '#controllers/serving/route/route-hosts.ts';
import { routeStatus } from '#controllers/serving/route/route-status.ts';
import { ensureRouteTls } from '#controllers/serving/route/route-certificates.ts';
import { RoutesNaming } from '#controllers/serving/route/routes-naming.ts';
import { asOfNow, type ServingConfig } from '#controllers/serving/serving-config.ts';

/** Route → an Ingress for the gateway and a Service per host name (serving specification §3.4). */
export function routeController(config: ServingConfig): Controller<Route> {
  const naming = new RoutesNaming();
  return defineController<Route>({
    kind: Route,
    owns: [Certificate, Endpoints, Ingress, Service],
    watches: [
      on(Configuration, (configuration) => naming.ofConfiguration(configuration)),
      on(Revision, (revision) => naming.ofRevision(revision)),
      // Of all hosts of the namespace.
      on(Certificate, ({ metadata }, known) =>
        metadata.labels?.[networkingKeys.wildcardDomain] === undefined
          ? []
          : known.list(Route, metadata.namespace).map(keyOf),
      ),
    ],
    async reconcile(route, context) {
      naming.remember(route);
      return reconcileRoute(route, context, asOfNow(config));
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
  const now = clock.now();
  const read = await readTargets(client, route);
  const assignment = assignTraffic(route, read);
  const hosts =
    'problem' in assignment
      ? assignment
      : await readHosts(client, route, { targets: assignment.targets, config });
  // Until all of it can be assigned, what was assigned before goes on.
  if ('problem' in assignment || 'problem' in hosts) {
    const problem = { assignment: 'problem' in hosts ? hosts : assignment, hosts: new Map() };
    return { status: routeStatus(route, problem, { now, config }) };
  }
  const { targets } = assignment;
  const settings = config.settings();
  const { againAfterMs, ...rollout } = rolledOut(route, {
    ...read,
    targets,
    tags: [...hosts.keys()],
    defaultDurationMs: settings.network.rolloutDurationSeconds * 1_000,
    now,
  });
  const tls = await ensureRouteTls(route, context, { hosts, config });
  const desired = desiredIngress(route, { hosts, tls, settings, ...rollout });
  const teller = { context, component: 'route-controller' };
  const ingress = await ensureOwned(client, Ingress, {
    owner: route,
    desired,
    teller: { ...teller, unmade: Ingress.kind },
  });
  const wanted = { hosts: hosts.values(), ingress, config, teller };
  const takenPlaceholder = await ensurePlaceholders(route, wanted);
  const observed = {
    assignment,
    hosts,
    rollouts: rollout.rollouts,
    tls,
    ingress,
    ...(takenPlaceholder && { takenPlaceholder }),
  };
  const status = routeStatus(route, observed, { now, config });
  const failure =
    takenPlaceholder === undefined
      ? ingress
        ? (certificateTaken(route, tls) ?? tls.orphaned)
        : doesNotOwn(route, Ingress, ingressPlace(route))
      : doesNotOwn(route, takenPlaceholder.kind, takenPlaceholder);
  return {
    status,
    ...(againAfterMs !== undefined && { againAfterMs }),
    ...(failure && { failure }),
  };
}

/** What the spec names, and where traffic went until now. */
async function readTargets(
  client: Client,
  route: Route,
): Promise<Targets & { readonly ingress: Ingress | undefined }> {
  const { namespace } = placeOf(route.metadata);
  const traffic = route.spec.traffic ?? [];
  const configurations = await readNamed(client, Configuration, {
    namespace,
    names: traffic.map(({ configurationName }) => configurationName),
  });
  const latest = [...configurations.values()].map(({ status }) => status?.latestReadyRevisionName);
  const ingress = await client.get(Ingress, ingressPlace(route));
  const named = traffic.map(({ revisionName }) => revisionName);
  const revisions = await readNamed(client, Revision, {
    namespace,
    names: [...latest, ...named, ...rolledOutRevisions(ingress)],
  });
  return { configurations, revisions, ingress };
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

/** The hosts by tag; or why a template makes none of them. */
async function readHosts(
  client: Client,
  route: Route,
  {
    targets,
    config,
  }: { readonly targets: readonly AssignedTarget[]; readonly config: ServingConfig },
): Promise<ReadonlyMap<string, RouteHosts> | { readonly problem: UnassignedTraffic }> {
  const { namespace } = placeOf(route.metadata);
  const hosts = new Map<string, RouteHosts>();
  try {
    for (const tag of new Set(['', ...targets.map((target) => target.tag)])) {
      const name = hostName(route, tag, config);
      const placeholder = await client.get(Service, { namespace, name });
      const labels = tag === '' ? undefined : placeholder?.metadata.labels;
      hosts.set(tag, routeHosts(route, { name, labels }, config));
    }
    return hosts;
  } catch (error) {
    if (!(error instanceof NoHost)) throw error;
    return { problem: { status: 'False', reason: 'ErrorConfig', message: error.message } };
  }
}
