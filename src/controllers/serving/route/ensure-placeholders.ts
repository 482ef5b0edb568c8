import { Endpoints } from '#api/core-v1/endpoints.ts';
import { Service } from '#api/core-v1/service.ts';
import type { Kind } from '#api/kind.ts';
import { isOwnedBy } from '#api/meta/object-meta.ts';
import type { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { INGRESS_CLASS, networkingKeys } from '#api/networking-v1alpha1/networking-keys.ts';
import type { Route } from '#api/serving-v1/route.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import type { Client } from '#client/client.ts';
import { tried } from '#reconcile/told-failure.ts';
import { placeOf, toldCreation, type Teller } from '#controllers/serving/ensure-owned.ts';
import {
  balancerOf,
  desiredEndpoints,
  desiredPlaceholder,
  type Balancer,
} from '#controllers/serving/route/desired-placeholder.ts';
import type { RouteHosts } from '#controllers/serving/route/route-hosts.ts';
import type { ServingConfig } from '#controllers/serving/serving-config.ts';

/** A name that somebody else's object has. */
export interface TakenPlaceholder {
  readonly kind: Kind<Service> | Kind<Endpoints>;
  readonly name: string;
}

interface Wanted {
  readonly hosts: Iterable<RouteHosts>;
  /** What serves them; undefined where it could not be made. */
  readonly ingress: Ingress | undefined;
  readonly config: ServingConfig;
  readonly teller: Teller;
}

/** Makes a Service for each name in the cluster, and deletes those of other names; stops at a name that somebody else has. */
export async function ensurePlaceholders(
  route: Route,
  wanted: Wanted,
): Promise<TakenPlaceholder | undefined> {
  const { client } = wanted.teller.context;
  const { name: routeName, namespace } = placeOf(route.metadata);
  const names = new Set<string>();
  for (const host of wanted.hosts) {
    const taken = await ensurePlaceholder(route, host, wanted);
    if (taken) return taken;
    names.add(host.name);
  }
  const labelSelector = `${servingKeys.route}=${routeName}`;
  for (const kind of [Service, Endpoints] as const) {
    const { items } = await client.list<Service | Endpoints>(kind, { namespace, labelSelector });
    for (const object of items) {
      const { name } = placeOf(object.metadata);
      if (isOwnedBy(object, route) && !names.has(name)) {
        await client.delete(kind, { namespace, name });
      }
    }
  }
  return undefined;
}

async function ensurePlaceholder(
  route: Route,
  host: RouteHosts,
  { ingress, config, teller }: Wanted,
): Promise<TakenPlaceholder | undefined> {
  const { client } = teller.context;
  const { name } = host;
  const place = { namespace: placeOf(route.metadata).namespace, name };
  const existing = await client.get(Service, place);
  if (existing && !isOwnedBy(existing, route)) return { kind: Service, name };
  const endpoints = await client.get(Endpoints, place);
  if (endpoints && !isOwnedBy(endpoints, route)) return { kind: Endpoints, name };
  const isPrivate = existing?.metadata.labels?.[networkingKeys.visibility] === 'cluster-local';
  const balancer = ingress && balancerOf(ingress, { isPrivate });
  if (existing) await change(client, existing, desiredPlaceholder(route, { host: name, balancer }));
  else {
    const first = balancer ?? firstBalancer(host, { ingress, config });
    const create = async (): Promise<Service> =>
      await client.create(Service, desiredPlaceholder(route, { host: name, balancer: first }));
    const called = `placeholder service "${name}"`;
    await tried('failed to create placeholder service', () =>
      toldCreation(create, { owner: route, teller: { ...teller, called } }),
    );
  }
  if (balancer?.type === 'address') {
    const { address } = balancer;
    await client.apply(Endpoints, desiredEndpoints(route, { host: name, address }));
  } else if (endpoints && balancer) await client.delete(Endpoints, place);
  return undefined;
}

/** Until somebody serves the Ingress: our own gateway will, of another one upstream says where the world will find it. */
function firstBalancer(
  { public: publicHost, local }: RouteHosts,
  { ingress, config }: Pick<Wanted, 'ingress' | 'config'>,
): Balancer {
  const ingressClass = ingress?.metadata.annotations?.[networkingKeys.ingressClass];
  const isOurs = ingressClass === undefined || ingressClass === INGRESS_CLASS;
  const name = isOurs ? config.privateGateway : (publicHost ?? local.at(-1));
  return { type: 'name', name: name ?? config.privateGateway };
}

/** Labels and annotations of others stay: a user makes one tag private by a label. */
async function change(client: Client, existing: Service, desired: Service): Promise<void> {
  const { spec } = desired;
  const before = existing.spec;
  const isSameType = !spec || before?.type === spec.type;
  const isHeadless = (of: Service['spec']): boolean => of?.clusterIP === 'None';
  if (isSameType && (!spec || isHeadless(before) === isHeadless(spec))) {
    await client.apply(Service, desired);
    return;
  }
  const metadata = {
    ...desired.metadata,
    labels: { ...existing.metadata.labels, ...desired.metadata.labels },
    annotations: { ...existing.metadata.annotations, ...desired.metadata.annotations },
  };
  // An address, once a Service has one, stays with it.
  if (before?.type === 'ExternalName') {
    await client.update(Service, {
      ...existing,
      ...desired,
      metadata: { ...existing.metadata, ...metadata },
    });
  } else {
    await client.delete(Service, placeOf(existing.metadata));
    await client.create(Service, { ...desired, metadata });
  }
}
