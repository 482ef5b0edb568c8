import { kubernetesVersion } from '#api/definitions.ts';
import type { Kind } from '#api/kind.ts';
import { ApiError } from '#api/meta/api-error.ts';
import {
  document,
  documentCache,
  documentReply,
  jsonDocument,
  type Document,
} from '#apiserver/discovery/document.ts';
import { groupsOf, type GroupVersion } from '#apiserver/discovery/group-version.ts';
import { servedResources } from '#apiserver/discovery/served-resource.ts';
import { gnosticDocument } from '#apiserver/openapi/gnostic-document.ts';
import { openApiV2, openApiV2Json } from '#apiserver/openapi/openapi-v2.ts';
import { openApiV3 } from '#apiserver/openapi/openapi-v3.ts';
import type { Route } from '#apiserver/route.ts';

/** As replies name it; clients ask for this spelling and for the older one with an `@` before the version. */
const PROTOBUF_V2 = 'application/com.github.proto-openapi.spec.v2.v1.0+protobuf';
const V3 = '/openapi/v3';
/** A document that is asked for by its hash never changes. */
const FOREVER = { 'cache-control': 'public, max-age=31536000, immutable' };

/**
 * The schemas of everything served: /openapi/v2 whole, as JSON or protobuf, and /openapi/v3 by group and version. Made
 * when first asked for, and anew when `kinds` returns another array.
 */
export function openApiRoutes(kinds: () => readonly Kind[]): readonly Route[] {
  const cached = documentCache(kinds);
  const documentOf = (name: string): Document =>
    cached(name, (current) => v3Document(name, current));
  return [
    {
      matches: (method, path) => method === 'GET' && path === '/openapi/v2',
      handle(request) {
        const format = v2FormatOf(request.headers['accept']);
        const found = cached(`v2 ${format}`, (current) => v2Document(format, current));
        return Promise.resolve(documentReply(found, request));
      },
    },
    {
      matches: (method, path) => method === 'GET' && (path === V3 || path === `${V3}/`),
      handle(request) {
        const index = cached('v3', (current) =>
          jsonDocument({
            paths: Object.fromEntries(
              groupVersionsOf(current).map(([name]) => {
                const hash = documentOf(name).hash;
                return [name, { serverRelativeURL: `${V3}/${name}?hash=${hash}` }];
              }),
            ),
          }),
        );
        return Promise.resolve(documentReply(index, request));
      },
    },
    {
      matches: (method, path) =>
        method === 'GET' &&
        path.startsWith(`${V3}/`) &&
        groupVersionsOf(kinds()).some(([name]) => path === `${V3}/${name}`),
      handle(request) {
        const [path = '', query] = request.target.split('?');
        const found = documentOf(path.slice(V3.length + 1));
        const asked = new URLSearchParams(query).get('hash');
        if (asked === null) return Promise.resolve(documentReply(found, request));
        if (asked === found.hash) return Promise.resolve(documentReply(found, request, FOREVER));
        const headers = { location: `${path}?hash=${found.hash}` };
        return Promise.resolve({ status: 301, headers, body: '' });
      },
    },
  ];
}

/** `api/v1`, `apis/apps/v1` */
function groupVersionsOf(kinds: readonly Kind[]): [string, GroupVersion][] {
  return groupsOf(servedResources(kinds)).flatMap((group) =>
    group.versions.map((version): [string, GroupVersion] => [
      `${group.name === '' ? 'api' : 'apis'}/${version.name}`,
      version,
    ]),
  );
}

function v3Document(name: string, kinds: readonly Kind[]): Document {
  const found = groupVersionsOf(kinds).find(([each]) => each === name)?.[1];
  if (!found) throw new TypeError(`Cannot describe ${name}: it is not served`);
  return jsonDocument(openApiV3(found, kinds, { version: kubernetesVersion() }));
}

function v2Document(format: 'json' | 'protobuf', kinds: readonly Kind[]): Document {
  const value = openApiV2(servedResources(kinds), kinds, { version: kubernetesVersion() });
  if (format === 'json') return document('application/json', openApiV2Json(value));
  return document(PROTOBUF_V2, gnosticDocument(value));
}

/** The first acceptable type of an Accept list. Throws NotAcceptable where there is none. */
function v2FormatOf(accept: string | undefined): 'json' | 'protobuf' {
  if (!accept) return 'json';
  for (const range of accept.split(',')) {
    const type = range.split(';')[0]?.trim().replace('@', '.');
    if (type === PROTOBUF_V2) return 'protobuf';
    if (type === 'application/json' || type === 'application/*' || type === '*/*') return 'json';
  }
  const message = `only the following media types are accepted: application/json, ${PROTOBUF_V2}`;
  throw new ApiError('NotAcceptable', message);
}
