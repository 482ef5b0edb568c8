import type { Clock } from '#base/clock.ts';
import { apiVersionOf, type Kind } from '#api/kind.ts';
import { ApiError, notFound } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { isTrue } from '#api/meta/query-flag.ts';
import { parseLabelSelector } from '#api/meta/selector.ts';
import { NodeMetrics } from '#api/metrics-v1beta1/node-metrics.ts';
import { PodMetrics } from '#api/metrics-v1beta1/pod-metrics.ts';
import { parseFieldSelector } from '#apiserver/field-selector.ts';
import { includeObjectOf, partialMetadata } from '#apiserver/object-reply.ts';
import { parseAccept, type Representation } from '#apiserver/representation.ts';
import { parseResourcePath, type ResourcePath } from '#apiserver/resource-path.ts';
import { isBelow } from '#apiserver/review-route.ts';
import type { Route } from '#apiserver/route.ts';
import { jsonReply } from '#apiserver/status-reply.ts';
import { tableOf } from '#apiserver/tables/table.ts';

/** What is used on the machine, as it was last measured; whatever has not been measured yet is left out. */
export interface MetricsReader {
  pods(): readonly PodMetrics[];
  nodes(): readonly NodeMetrics[];
}

/** `metrics.k8s.io`: what `kubectl top` and autoscalers ask. Measured things are got and listed, never watched. */
export function metricsRoutes(reader: MetricsReader, clock: Clock): readonly Route[] {
  return [
    metricsRoute(PodMetrics, () => reader.pods(), clock),
    metricsRoute(NodeMetrics, () => reader.nodes(), clock),
  ];
}

function metricsRoute(kind: Kind, read: () => readonly KubeObject[], clock: Clock): Route {
  return {
    matches: (_method, path) => isBelow(kind, path) && isAt(kind, parseResourcePath(path)),
    async handle({ method, target, headers }) {
      const [path = '', search] = target.split('?');
      const query = new URLSearchParams(search);
      if (method !== 'GET' || isTrue(query, 'watch')) throw notAllowed();
      const { namespace, name } = parseResourcePath(path) ?? {};
      const found = read().filter(
        ({ metadata }) => namespace === undefined || metadata.namespace === namespace,
      );
      const representation = parseAccept(headers['accept']);
      const asked = { kind, representation, query, now: clock.now() };
      if (name === undefined) return jsonReply(listOf(found, asked));
      const one = found.find(({ metadata }) => metadata.name === name);
      if (!one) throw notFound(kind, name);
      return jsonReply(shown(one, asked));
    },
  };
}

function isAt(kind: Kind, path: ResourcePath | undefined): boolean {
  if (path?.group !== kind.group || path.version !== kind.version) return false;
  if (path.plural !== kind.plural || path.subresource !== undefined || path.isWatch) return false;
  if (kind.scope === 'Cluster') return path.namespace === undefined;
  return path.namespace !== undefined || path.name === undefined;
}

interface Asked {
  readonly kind: Kind;
  readonly representation: Representation;
  readonly query: URLSearchParams;
  readonly now: Date;
}

/** Those that the query selects, in the order of namespace and name. */
function listOf(found: readonly KubeObject[], asked: Asked): unknown {
  const { kind, query, representation } = asked;
  const labels = parseLabelSelector(query.get('labelSelector') ?? '');
  const fields = parseFieldSelector(kind, query.get('fieldSelector') ?? '');
  const objects = found
    .filter((object) => labels(object.metadata.labels) && fields.matches(object))
    .toSorted(byName);
  if (representation === 'table') return shownAsTable(objects, asked);
  const isWhole = representation === 'object';
  return {
    kind: isWhole ? `${kind.kind}List` : 'PartialObjectMetadataList',
    apiVersion: isWhole ? apiVersionOf(kind) : 'meta.k8s.io/v1',
    metadata: {},
    items: objects.map((object) => (isWhole ? object : partialMetadata(object))),
  };
}

function shown(object: KubeObject, asked: Asked): unknown {
  switch (asked.representation) {
    case 'table':
      return shownAsTable([object], asked);
    case 'metadata':
      return partialMetadata(object);
    case 'object':
      return object;
  }
}

function shownAsTable(objects: readonly KubeObject[], { kind, query, now }: Asked): unknown {
  return tableOf(kind, objects, { now, includeObject: includeObjectOf(query), metadata: {} });
}

function byName({ metadata: a }: KubeObject, { metadata: b }: KubeObject): number {
  const [left, right] = [a, b].map(({ namespace = '', name = '' }) => `${namespace}\0${name}`);
  if (left === right) return 0;
  return (left ?? '') < (right ?? '') ? -1 : 1;
}

function notAllowed(): ApiError {
  return new ApiError(
    'MethodNotAllowed',
    'the server does not allow this method on the requested resource',
  );
}
