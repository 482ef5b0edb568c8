import { timestamp } from '#api/meta/timestamp.ts';
import type { Kind } from '#api/kind.ts';
import { isFailed, isReady } from '#api/meta/conditions.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { Configuration } from '#api/serving-v1/configuration.ts';
import { Revision } from '#api/serving-v1/revision.ts';
import { Route } from '#api/serving-v1/route.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import { defineController, on, type Context, type Controller } from '#reconcile/controller.ts';
import { placeOf } from '#controllers/serving/ensure-owned.ts';
import { routedNames, type RoutedNames } from '#controllers/serving/labeler/routed-names.ts';

/**
 * Route → on each Configuration and Revision it leads to, its name and that they are in use (serving specification
 * §3.5). The autoscaler keeps up only what is in use.
 */
export function labelerController(): Controller<Route> {
  return defineController<Route>({
    kind: Route,
    isSilent: true,
    watches: [
      on(Configuration, ({ metadata }) =>
        routesOn(metadata).map((name) => ({ namespace: metadata.namespace ?? '', name })),
      ),
    ],
    async reconcile(route, context) {
      const all = await readAll(route, context);
      const wanted = routedNames(route, all);
      await label(route, context, { all, wanted });
      // A Route that is on its way may still send traffic to where it led before.
      if (isReady(route) || isFailed(route)) await clear(route, context, { all, wanted });
      return {};
    },
    finalizer: {
      name: 'routes.serving.knative.dev',
      async finalize(route, context) {
        const all = await readAll(route, context);
        await clear(route, context, { all, wanted: NOTHING });
        return true;
      },
    },
  });
}

interface All {
  readonly configurations: readonly Configuration[];
  readonly revisions: readonly Revision[];
}

interface Work {
  readonly all: All;
  readonly wanted: RoutedNames;
}

const NOTHING: RoutedNames = { configurations: new Set(), revisions: new Set() };

async function readAll({ metadata }: Route, { client }: Context): Promise<All> {
  const { namespace } = placeOf(metadata);
  const { items: configurations } = await client.list(Configuration, { namespace });
  const { items: revisions } = await client.list(Revision, { namespace });
  return { configurations, revisions };
}

async function label(route: Route, context: Context, { all, wanted }: Work): Promise<void> {
  const name = route.metadata.name ?? '';
  const patch = async <T extends KubeObject>(kind: Kind<T>, object: T): Promise<void> => {
    const routes = [...new Set([...routesOn(object.metadata), name])];
    await patchRoutes(kind, object, { routes, context });
  };
  for (const configuration of all.configurations) {
    if (wanted.configurations.has(configuration.metadata.name ?? '')) {
      await patch(Configuration, configuration);
    }
  }
  for (const revision of all.revisions) {
    if (wanted.revisions.has(revision.metadata.name ?? '')) await patch(Revision, revision);
  }
}

async function clear(route: Route, context: Context, { all, wanted }: Work): Promise<void> {
  const name = route.metadata.name ?? '';
  const patch = async <T extends KubeObject>(kind: Kind<T>, object: T): Promise<void> => {
    const routes = routesOn(object.metadata);
    if (!routes.includes(name)) return;
    const others = routes.filter((other) => other !== name);
    await patchRoutes(kind, object, { routes: others, context });
  };
  for (const configuration of all.configurations) {
    if (!wanted.configurations.has(configuration.metadata.name ?? '')) {
      await patch(Configuration, configuration);
    }
  }
  for (const revision of all.revisions) {
    if (!wanted.revisions.has(revision.metadata.name ?? '')) await patch(Revision, revision);
  }
}

async function patchRoutes<T extends KubeObject>(
  kind: Kind<T>,
  object: T,
  { routes, context }: { readonly routes: readonly string[]; readonly context: Context },
): Promise<void> {
  const { annotations, labels, resourceVersion, deletionTimestamp } = object.metadata;
  if (deletionTimestamp !== undefined) return;
  const text = routes.length === 0 ? null : routes.toSorted().join(',');
  const isRevision = kind.kind === Revision.kind;
  const state = routes.length === 0 ? 'reserve' : 'active';
  const isSameState = !isRevision || labels?.[servingKeys.routingState] === state;
  if ((annotations?.[servingKeys.routes] ?? null) === text && isSameState) return;
  const now = timestamp(context.clock.now());
  const patch = {
    metadata: {
      // Two Routes may write the same list: the second must see what the first wrote.
      resourceVersion,
      annotations: {
        [servingKeys.routes]: text,
        ...(!isSameState && { [servingKeys.routingStateModified]: now }),
      },
      ...(!isSameState && { labels: { [servingKeys.routingState]: state } }),
    },
  };
  await context.client.patch(kind, placeOf(object.metadata), patch, { type: 'merge' });
}

function routesOn({ annotations }: KubeObject['metadata']): readonly string[] {
  return (annotations?.[servingKeys.routes] ?? '').split(',').filter(Boolean);
}
