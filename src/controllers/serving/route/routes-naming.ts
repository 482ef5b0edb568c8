import type { Configuration } from '#api/serving-v1/configuration.ts';
import type { Revision } from '#api/serving-v1/revision.ts';
import type { Route } from '#api/serving-v1/route.ts';
import { servingKeys } from '#api/serving-v1/serving-keys.ts';
import { keyOf, type Key } from '#reconcile/controller.ts';

/** Which Routes name a Configuration or Revision, also one that is not there yet: they wait for it. */
export class RoutesNaming {
  readonly #namesByRoute = new Map<string, readonly string[]>();
  readonly #routesByName = new Map<string, Map<string, Key>>();

  /** Takes what the Route's spec names now. */
  remember(route: Route): void {
    const key = keyOf(route);
    this.forget(key);
    const names = (route.spec.traffic ?? []).flatMap(({ configurationName, revisionName }) => [
      ...(configurationName ? [`configuration ${key.namespace}/${configurationName}`] : []),
      ...(revisionName ? [`revision ${key.namespace}/${revisionName}`] : []),
    ]);
    this.#namesByRoute.set(idOf(key), names);
    for (const name of names) {
      const routes = this.#routesByName.get(name) ?? new Map<string, Key>();
      this.#routesByName.set(name, routes.set(idOf(key), key));
    }
  }

  forget(key: Key): void {
    for (const name of this.#namesByRoute.get(idOf(key)) ?? []) {
      const routes = this.#routesByName.get(name);
      routes?.delete(idOf(key));
      if (routes?.size === 0) this.#routesByName.delete(name);
    }
    this.#namesByRoute.delete(idOf(key));
  }

  ofConfiguration({ metadata }: Configuration): readonly Key[] {
    return this.#routesOf(`configuration ${metadata.namespace}/${metadata.name}`);
  }

  /** Also those that name its Configuration. */
  ofRevision({ metadata }: Revision): readonly Key[] {
    const { name, namespace, labels } = metadata;
    return [
      ...this.#routesOf(`revision ${namespace}/${name}`),
      ...this.#routesOf(`configuration ${namespace}/${labels?.[servingKeys.configuration]}`),
    ];
  }

  #routesOf(name: string): readonly Key[] {
    return [...(this.#routesByName.get(name)?.values() ?? [])];
  }
}

function idOf({ namespace, name }: Key): string {
  return `${namespace}/${name}`;
}
