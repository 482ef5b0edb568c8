import type { ContentStore } from '../content/content-store.ts';
import { RegistryError } from './registry-error.ts';
import type { RegistryReply, RegistryRequest } from './registry-exchange.ts';

/** No page is longer, whatever is asked for. */
const PAGE_MAX = 1000;

/** GET /v2/{name}/tags/list */
export async function serveTags(
  request: RegistryRequest,
  { store, repository }: { readonly store: ContentStore; readonly repository: string },
): Promise<RegistryReply> {
  const stored = await store.pushed.read(repository);
  if (!stored)
    throw new RegistryError('NAME_UNKNOWN', `repository ${repository}: nothing was pushed to it`);
  const page = pageOf(Object.keys(stored.tags), request);
  const path = `/v2/${repository}/tags/list`;
  return reply({ name: repository, tags: page.entries }, page, path);
}

/** GET /v2/_catalog */
export async function serveCatalog(
  request: RegistryRequest,
  { store }: { readonly store: ContentStore },
): Promise<RegistryReply> {
  const page = pageOf(await store.pushed.repositories(), request);
  return reply({ repositories: page.entries }, page, '/v2/_catalog');
}

interface PageOfNames {
  readonly entries: readonly string[];
  /** The query of the next page; undefined on the last. */
  readonly next: URLSearchParams | undefined;
}

/** In lexical order, at most `n`, after `last` ("Listing Tags"). */
function pageOf(names: readonly string[], request: RegistryRequest): PageOfNames {
  if (request.method !== 'GET' && request.method !== 'HEAD')
    throw new RegistryError('UNSUPPORTED', `${request.method} of a list is not supported`);
  const asked = request.query.get('n');
  if (asked !== null && !/^\d{1,9}$/.test(asked))
    throw new RegistryError('UNSUPPORTED', `n=${asked}: wanted a whole number`, { status: 400 });
  const count = Math.min(asked === null ? PAGE_MAX : Number(asked), PAGE_MAX);
  const after = request.query.get('last');
  const left = names.toSorted().filter((name) => after === null || name > after);
  const entries = left.slice(0, count);
  const last = entries.at(-1);
  const isMore = last !== undefined && left.length > entries.length;
  return { entries, next: isMore ? new URLSearchParams({ n: `${count}`, last }) : undefined };
}

function reply(body: unknown, { next }: PageOfNames, path: string): RegistryReply {
  return {
    status: 200,
    headers: {
      'content-type': 'application/json',
      ...(next && { link: `<${path}?${next.toString()}>; rel="next"` }),
    },
    body: `${JSON.stringify(body)}\n`,
  };
}
