import type { Kind } from '#api/kind.ts';
import type { ServingSettings } from '#api/serving-config/config-maps.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { Route } from '#api/serving-v1/route.ts';
import { Service } from '#api/serving-v1/service.ts';
import type { Client } from '#client/client.ts';
import { defineController, type Context, type Controller } from '#reconcile/controller.ts';
import { isAdoptable } from '#controllers/serving/configuration/is-adoptable.ts';
import { doesNotOwn, ensureOwned, placeOf } from '#controllers/serving/ensure-owned.ts';
import {
  desiredConfiguration,
  desiredRoute,
} from '#controllers/serving/service/desired-children.ts';
import { isCurrent, serviceStatus } from '#controllers/serving/service/service-status.ts';
import type { ServingConfig } from '#controllers/serving/serving-config.ts';

/** Service → Configuration and Route of the same name (serving specification §3.1). */
export function serviceController(config: ServingConfig): Controller<Service> {
  return defineController<Service>({
    kind: Service,
    owns: [Configuration, Route],
    reconcile: (service, context) => reconcileService(service, context, config.settings()),
  });
}

async function reconcileService(
  service: Service,
  context: Context,
  settings: ServingSettings,
): ReturnType<Controller<Service>['reconcile']> {
  const { client, clock } = context;
  const desired = desiredConfiguration(service, {
    configuration: await client.get(Configuration, placeOf(service.metadata)),
    route: await client.get(Route, placeOf(service.metadata)),
  });
  const wanted = { owner: service, settings, teller: { context, component: 'service-controller' } };
  const configuration =
    (await ensureOwned(client, Configuration, { ...wanted, desired, says: says(Configuration) })) ??
    ('not owned' as const);
  const name = service.spec.template?.metadata?.name;
  const isWaiting = name !== undefined && !isCurrent(configuration);
  const takenName =
    configuration !== 'not owned' && !isWaiting && (await isTaken(client, configuration, name))
      ? name
      : undefined;
  // A Route must not point at a name that stands for something else, not even for a moment.
  if (configuration === 'not owned' || isWaiting || takenName !== undefined) {
    const observed = { configuration, ...(takenName !== undefined && { takenName }) };
    return {
      status: serviceStatus(service, observed, clock.now()),
      ...(configuration === 'not owned' && { failure: takenBy(service, Configuration) }),
    };
  }
  const route =
    (await ensureOwned(client, Route, {
      ...wanted,
      desired: desiredRoute(service),
      says: says(Route),
    })) ?? ('not owned' as const);
  return {
    status: serviceStatus(service, { configuration, route }, clock.now()),
    ...(route === 'not owned' && { failure: takenBy(service, Route) }),
  };
}

function says({ kind }: Kind): { readonly update: string } {
  return { update: `failed to reconcile ${kind}` };
}

function takenBy(service: Service, kind: Kind): Error {
  const { name } = placeOf(service.metadata);
  const message = `service: "${name}" does not own ${kind.kind.toLowerCase()}: "${name}"`;
  return doesNotOwn(service, kind, { name, message });
}

/** Whether the revision name that the user chose stands for something else already. */
async function isTaken(
  client: Client,
  configuration: Configuration,
  name: string | undefined,
): Promise<boolean> {
  if (name === undefined) return false;
  const { namespace } = placeOf(configuration.metadata);
  const revision = await client.get(Revision, { namespace, name });
  return revision !== undefined && !isAdoptable(revision, configuration);
}
