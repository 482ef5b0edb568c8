import type { Kind } from '#api/kind.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { aggregatedDiscovery } from '#apiserver/discovery/aggregated-discovery.ts';
import { documentCache, documentReply, jsonDocument } from '#apiserver/discovery/document.ts';
import { groupsOf } from '#apiserver/discovery/group-version.ts';
import {
  apiGroup,
  apiGroupList,
  apiResourceList,
  apiVersions,
} from '#apiserver/discovery/plain-discovery.ts';
import { servedResources } from '#apiserver/discovery/served-resource.ts';
import type { Route } from '#apiserver/route.ts';

/** What is served whatever the kinds. */
const FIXED_PATHS: readonly string[] = [
  '/.well-known/openid-configuration',
  '/api',
  '/apis',
  ...['healthz', 'livez', 'readyz'].flatMap((name) => [`/${name}`, `/${name}/ping`]),
  '/openapi/v2',
  '/openapi/v3',
  '/openid/v1/jwks',
  '/version',
];

/**
 * What the server serves, for clients that ask: /, /api, /apis and below. `kinds` returns the same array as long as nothing
 * changed; documents are made from it when first asked for.
 */
export function discoveryRoutes(kinds: () => readonly Kind[]): readonly Route[] {
  const cached = documentCache(kinds);
  const rootRoute = (path: '/api' | '/apis'): Route => ({
    matches: isGet(path),
    handle(request) {
      const format = formatOf(request.headers['accept']);
      const reply = cached(`${path} ${format}`, (current) => {
        const all = groupsOf(servedResources(current));
        const groups = all.filter(({ name }) => (name === '') === (path === '/api'));
        if (format !== 'plain') {
          return jsonDocument(aggregatedDiscovery(groups, format), contentTypeOf(format));
        }
        return jsonDocument(path === '/api' ? apiVersions(groups[0]) : apiGroupList(groups));
      });
      return Promise.resolve(documentReply(reply, request));
    },
  });
  const indexRoute: Route = {
    matches: (method, path) => method === 'GET' && path === '/',
    handle: (request) =>
      Promise.resolve(
        documentReply(
          cached('/', (current) => jsonDocument(index(current))),
          request,
        ),
      ),
  };
  return [indexRoute, rootRoute('/api'), rootRoute('/apis'), groupRoute(kinds, cached)];
}

/** `kubectl get --raw /`: every path that is no object's. */
function index(kinds: readonly Kind[]): { readonly paths: readonly string[] } {
  const ofGroups = groupsOf(servedResources(kinds)).flatMap(({ name, versions }) => {
    const root = name === '' ? '/api' : `/apis/${name}`;
    return [root, ...versions.map(({ version }) => `${root}/${version}`)];
  });
  return { paths: [...new Set([...FIXED_PATHS, ...ofGroups])].toSorted() };
}

/** /api/v1, /apis/<group>, /apis/<group>/<version>; a path that is none of a served group is not matched. */
function groupRoute(
  kinds: () => readonly Kind[],
  cached: ReturnType<typeof documentCache<readonly Kind[]>>,
): Route {
  const valueOf = (current: readonly Kind[], path: string): unknown => {
    const [root, ...rest] = path.split('/').filter((part) => part !== '');
    const [name, version] = root === 'api' ? ['', rest[0]] : rest;
    const group = groupsOf(servedResources(current)).find((each) => each.name === name);
    if (!group || (root !== 'api' && name === '')) return undefined;
    if (version === undefined) return apiGroup(group);
    const found = group.versions.find((each) => each.version === version);
    return found && apiResourceList(found);
  };
  return {
    matches: (method, path) =>
      method === 'GET' &&
      (/^\/api\/[^/]+\/?$/.test(path) || /^\/apis\/[^/]+(\/[^/]+)?\/?$/.test(path)) &&
      valueOf(kinds(), path) !== undefined,
    handle(request) {
      const path = request.target.split('?')[0] ?? '';
      const reply = cached(path, (current) => jsonDocument(valueOf(current, path)));
      return Promise.resolve(documentReply(reply, request));
    },
  };
}

type Format = 'plain' | 'v2' | 'v2beta1';

function contentTypeOf(version: Exclude<Format, 'plain'>): string {
  return `application/json;g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`;
}

/** The first acceptable type of an Accept list. Throws NotAcceptable where there is none. */
function formatOf(accept: string | undefined): Format {
  if (!accept) return 'plain';
  for (const range of accept.split(',')) {
    const [type, ...parameters] = range.split(';').map((part) => part.trim());
    if (type !== 'application/json' && type !== 'application/*' && type !== '*/*') continue;
    const wanted = new Map(parameters.map((part) => part.split('=') as [string, string]));
    if (!wanted.has('as')) return 'plain';
    const version = wanted.get('v');
    const isOurs =
      wanted.get('g') === 'apidiscovery.k8s.io' && wanted.get('as') === 'APIGroupDiscoveryList';
    if (isOurs && (version === 'v2' || version === 'v2beta1')) return version;
  }
  const message = 'only the following media types are accepted: application/json';
  throw new ApiError('NotAcceptable', message);
}

function isGet(at: string): Route['matches'] {
  return (method, path) => method === 'GET' && (path === at || path === `${at}/`);
}
