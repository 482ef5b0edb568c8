import type { HttpReply } from '#base/http-message.ts';
import { apiVersionOf } from '#api/kind.ts';
import { ApiError } from '#api/meta/api-error.ts';
import { parseContinue, renderContinue } from '#apiserver/continue-token.ts';
import { checkListOptions } from '#apiserver/list-options.ts';
import { includeObjectOf, partialMetadata } from '#apiserver/object-reply.ts';
import { integerOf, type Deps, type ResourceRequest } from '#apiserver/resource-request.ts';
import { refuseFuture, revisionOf } from '#apiserver/resource-version.ts';
import { selectionOf, type Selection } from '#apiserver/selection.ts';
import { jsonReply } from '#apiserver/status-reply.ts';
import { objectOf, prefixOf, wireText } from '#apiserver/stored-object.ts';
import { tableOf } from '#apiserver/tables/table.ts';
import type { Entry, Revision } from '#store/store.ts';

/** How many entries are looked at in one go where a selector leaves out an unknown share of them. */
const CHUNK = 500;

interface PageOfEntries {
  readonly entries: readonly Entry[];
  readonly resourceVersion: Revision;
  readonly continue?: string;
  readonly remaining?: number;
}

/** GET …/{plural}: one page or all, in the order of namespace and name. */
export async function list(request: ResourceRequest, deps: Deps): Promise<HttpReply> {
  checkListOptions(request);
  const selection = selectionOf(request);
  refuseOtherRevision(request, deps);
  const page = await readPage(request, selection, deps);
  const metadata = {
    resourceVersion: String(page.resourceVersion),
    ...(page.continue !== undefined && { continue: page.continue }),
    ...(page.remaining !== undefined && { remainingItemCount: page.remaining }),
  };
  return jsonReply(render(request, page.entries, { metadata, deps }));
}

function render(
  request: ResourceRequest,
  entries: readonly Entry[],
  {
    metadata,
    deps,
  }: { metadata: Record<string, unknown> & { resourceVersion: string }; deps: Deps },
): unknown {
  const { kind, representation, query } = request;
  switch (representation) {
    case 'table':
      return tableOf(
        kind,
        entries.map((entry) => objectOf(entry)),
        {
          now: deps.clock.now(),
          includeObject: includeObjectOf(query),
          metadata,
        },
      );
    case 'metadata':
      return {
        kind: 'PartialObjectMetadataList',
        apiVersion: 'meta.k8s.io/v1',
        metadata,
        items: entries.map((entry) => partialMetadata(objectOf(entry))),
      };
    case 'object': {
      const head = JSON.stringify({
        kind: `${kind.kind}List`,
        apiVersion: apiVersionOf(kind),
        metadata,
      });
      const items = entries.map((entry) => wireText(entry)).join(',');
      return `${head.slice(0, -1)},"items":[${items}]}`;
    }
  }
}

/**
 * A continued page is read from what is stored now, and carries the resourceVersion of the first page: a watch from there
 * tells of every change between the pages, so that a client converges on what is.
 */
async function readPage(
  request: ResourceRequest,
  selection: Selection,
  deps: Deps,
): Promise<PageOfEntries> {
  const { kind, namespace, query } = request;
  const prefix = prefixOf(kind, namespace);
  // As in Kubernetes, no limit is none, and so is one below it.
  const limit = /^-\d+$/.test(query.get('limit') ?? '')
    ? Infinity
    : integerOf(query, 'limit') || Infinity;
  const token = parseContinue(query.get('continue'));
  const found: Entry[] = [];
  let after = token && `${prefix}${token.after}`;
  let at = token?.revision;
  for (;;) {
    const chunk = selection.isEverything ? limit - found.length : Math.min(limit, CHUNK);
    const listing = await deps.store.list(prefix, {
      ...(Number.isFinite(chunk) && { limit: chunk }),
      ...(after !== undefined && { startAfter: after }),
    });
    at ??= listing.at;
    for (const entry of listing.entries) {
      if (found.length === limit) {
        return { entries: found, resourceVersion: at, continue: tokenAfter(found, prefix, at) };
      }
      if (selection.selects(entry)) found.push(entry);
    }
    after = listing.entries.at(-1)?.key;
    if (listing.remaining === 0 || after === undefined)
      return { entries: found, resourceVersion: at };
    if (found.length === limit) {
      return {
        entries: found,
        resourceVersion: at,
        continue: tokenAfter(listing.entries, prefix, at),
        // Kubernetes leaves the count out where a selector makes it a guess.
        ...(selection.isEverything && { remaining: listing.remaining }),
      };
    }
  }
}

function tokenAfter(entries: readonly Entry[], prefix: string, revision: Revision): string {
  return renderContinue({ revision, after: (entries.at(-1)?.key ?? '').slice(prefix.length) });
}

/** Only the present can be listed: an exact past is answered as if it were compacted, a future is waited for by nobody. */
function refuseOtherRevision(request: ResourceRequest, deps: Deps): void {
  const wanted = revisionOf(request.query);
  if (wanted === undefined) return;
  refuseFuture(wanted, deps.store.revision);
  const isExact = request.query.get('resourceVersionMatch') === 'Exact';
  if (isExact && wanted !== deps.store.revision) {
    throw new ApiError(
      'Expired',
      `The provided resourceVersion is too old: ${wanted}; only the current one can be listed exactly`,
    );
  }
}
