import type { Ingress } from '#api/networking-v1alpha1/ingress.ts';
import { keyOf, percentOf } from './route-table.ts';
import type { ServiceDirectory } from './service-directory.ts';

/** Why requests to an Ingress could not go where it leads them. */
export interface MissingBackend {
  /** `namespace/name` of the first Service that lacks something. */
  readonly service: string;
  readonly lacks: 'itself' | 'endpoints';
}

/** Undefined where every split leads somewhere. Revisions need no endpoints: requests wait for their pods. */
export function missingBackend(
  ingress: Ingress,
  directory: Pick<ServiceDirectory, 'find'>,
): MissingBackend | undefined {
  const paths = (ingress.spec.rules ?? []).flatMap((rule) => rule.http?.paths ?? []);
  const all = paths.flatMap(({ splits }) =>
    splits.map((split) => ({ split, percent: percentOf(split, splits) })),
  );
  for (const { split, percent } of all) {
    const { serviceNamespace: namespace, serviceName: name, servicePort: port } = split;
    const found = directory.find({ namespace, service: name, port });
    const service = `${namespace}/${name}`;
    if (!found) return { service, lacks: 'itself' };
    const isPlain = found !== 'self' && found.kind === 'plain';
    if (isPlain && !found.hasEndpoints && percent > 0) return { service, lacks: 'endpoints' };
  }
  return undefined;
}

/**
 * Which version of each Ingress is served. A new one may name what the gateway has not heard of yet, as watches are not
 * in step: until it can be served without a failure the last one that can be is.
 */
export class ServedVersions {
  #served: ReadonlyMap<string, Ingress> = new Map();

  choose(
    ingresses: readonly Ingress[],
    missing: (ingress: Ingress) => MissingBackend | undefined,
  ): readonly Ingress[] {
    const before = this.#served;
    const chosen = ingresses.map((ingress) => {
      if (!missing(ingress)) return ingress;
      const last = before.get(keyOf(ingress));
      const isSame = last?.metadata.uid === ingress.metadata.uid;
      return last && isSame && !missing(last) ? last : ingress;
    });
    this.#served = new Map(chosen.map((ingress) => [keyOf(ingress), ingress]));
    return chosen;
  }
}
