import { bodyText, type HttpReply } from '#base/http-message.ts';
import { apiVersionOf, type Kind } from '#api/kind.ts';
import { ApiError, hasReason } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import { applyObject } from '#client/apply-object.ts';
import type { Client, ListSelection, ObjectList, PatchType, Selection } from '#client/client.ts';
import { replyFailure } from '#client/failure.ts';
import { freeze } from '#client/freeze.ts';
import { queryOf, resourcePath, selectionQuery } from '#client/resource-path.ts';
import type { Transport } from '#client/transport.ts';
import { watchEvents } from '#client/watch-stream.ts';

const patchContentTypes: Readonly<Record<PatchType, string>> = {
  json: 'application/json-patch+json',
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
};

/** Longest a watch runs before it is asked for anew, so that a connection that died unnoticed is not waited on for ever. */
const WATCH_SECONDS = 540;

/**
 * Objects fetched a page in a list: bounds the server's work for one reply, and the time others wait for it. Pages after
 * the first are of the same revision as the first.
 */
const LIST_PAGE = 1000;

/** A client whose every call is one exchange over `transport` (a list: one a page); it keeps nothing. */
export function createClient(transport: Transport): Client {
  const call = callOver(transport);
  const client: Client = {
    async get(kind, ref) {
      try {
        return await call({ method: 'GET', target: resourcePath(kind, ref) });
      } catch (error) {
        if (hasReason(error, 'NotFound')) return undefined;
        throw error;
      }
    },
    list: (kind, selection = {}) => listPages(call, kind, selection),
    create(kind, object, options) {
      const { namespace } = object.metadata;
      const query = queryOf({ dryRun: options?.dryRun ? 'All' : undefined });
      const target = `${resourcePath(kind, { namespace })}${query}`;
      return call({ method: 'POST', target, body: typed(kind, object) });
    },
    update: (kind, object) =>
      call({ method: 'PUT', target: targetOf(kind, object), body: typed(kind, object) }),
    updateStatus: (kind, object) =>
      call({ method: 'PUT', target: targetOf(kind, object, 'status'), body: typed(kind, object) }),
    patch(kind, ref, patch, { type, subresource }) {
      const target = resourcePath(kind, { ...ref, subresource });
      return call({ method: 'PATCH', target, body: patch, contentType: patchContentTypes[type] });
    },
    apply: (kind, desired) => applyObject(client, { kind, desired }),
    async delete(kind, ref, options = {}) {
      const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...options };
      try {
        await call({ method: 'DELETE', target: resourcePath(kind, ref), body });
      } catch (error) {
        if (!hasReason(error, 'NotFound')) throw error;
      }
    },
    watch: (kind, selection, signal) => watchOnce(transport, kind, { selection, signal }),
    getSubresource: (kind, { subresource, ...ref }) =>
      call({ method: 'GET', target: resourcePath(kind, { ...ref, subresource }) }),
    updateSubresource: (kind, { subresource, ...ref }, body) =>
      call({ method: 'PUT', target: resourcePath(kind, { ...ref, subresource }), body }),
    createSubresource: (kind, { subresource, ...ref }, body) =>
      call({ method: 'POST', target: resourcePath(kind, { ...ref, subresource }), body }),
    log(kind, ref, { signal, ...options }) {
      const path = resourcePath(kind, { ...ref, subresource: 'log' });
      return logOver(transport, `${path}${queryOf({ ...options })}`, signal);
    },
  };
  return client;
}

interface Call {
  readonly method: string;
  readonly target: string;
  readonly body?: unknown;
  readonly contentType?: string;
}

type CallFunction = <R>(call: Call) => Promise<R>;

function callOver(transport: Transport): CallFunction {
  return async <R>({ method, target, body, contentType = 'application/json' }: Call) => {
    const reply = await transport({
      method,
      target,
      headers: {
        accept: 'application/json',
        ...(body !== undefined && { 'content-type': contentType }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      // A call ends by itself: in process by the server's limits, over HTTPS by the transport's timeouts.
      signal: new AbortController().signal,
    });
    const text = await bodyText(reply.body);
    if (reply.status >= 300) throw replyFailure(reply.status, text, `${method} ${target}`);
    // The server answers with the kind that was asked for.
    return freeze(JSON.parse(text) as R);
  };
}

interface WireList<T> {
  readonly metadata: { readonly resourceVersion?: string; readonly continue?: string };
  readonly items?: readonly T[];
}

async function listPages<T extends KubeObject>(
  call: CallFunction,
  kind: Kind<T>,
  selection: ListSelection,
): Promise<ObjectList<T>> {
  const { namespace, ownedBy } = selection;
  const path = resourcePath(kind, { namespace });
  const items: T[] = [];
  for (let next: string | undefined; ;) {
    const query = queryOf({ ...selectionQuery(selection), limit: LIST_PAGE, continue: next });
    const page: WireList<T> = await call({ method: 'GET', target: `${path}${query}` });
    // A list's items may come without the apiVersion and kind that the list already says.
    const found = (page.items ?? []).map((item) => (item.kind ? item : freeze(typed(kind, item))));
    items.push(
      ...(ownedBy === undefined ? found : found.filter((item) => hasOwner(item, ownedBy))),
    );
    next = page.metadata.continue;
    if (!next) {
      const resourceVersion = page.metadata.resourceVersion ?? '';
      return freeze({ items: freeze(items), resourceVersion });
    }
  }
}

async function* watchOnce<T extends KubeObject>(
  transport: Transport,
  kind: Kind<T>,
  {
    selection,
    signal,
  }: { selection: Selection & { readonly resourceVersion: string }; signal: AbortSignal },
): ReturnType<typeof watchEvents<T>> {
  const query = queryOf({
    ...selectionQuery(selection),
    watch: true,
    allowWatchBookmarks: true,
    resourceVersion: selection.resourceVersion,
    timeoutSeconds: WATCH_SECONDS,
  });
  const target = `${resourcePath(kind, { namespace: selection.namespace })}${query}`;
  try {
    const reply = await openStream(transport, { target, accept: 'application/json', signal });
    yield* watchEvents<T>(reply.body);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function* logOver(
  transport: Transport,
  target: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array, void, undefined> {
  try {
    const reply = await openStream(transport, { target, accept: 'text/plain, */*', signal });
    const { body } = reply;
    const chunks = typeof body === 'string' || body instanceof Uint8Array ? [body] : body;
    for await (const chunk of chunks) yield Buffer.from(chunk);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

async function openStream(
  transport: Transport,
  { target, accept, signal }: { target: string; accept: string; signal: AbortSignal },
): Promise<HttpReply> {
  const reply = await transport({ method: 'GET', target, headers: { accept }, signal });
  if (reply.status >= 300) {
    throw replyFailure(reply.status, await bodyText(reply.body), `GET ${target}`);
  }
  return reply;
}

function hasOwner(object: KubeObject, uid: string): boolean {
  return object.metadata.ownerReferences?.some((owner) => owner.uid === uid) ?? false;
}

function targetOf(kind: Kind, object: KubeObject, subresource?: string): string {
  const { namespace, name } = object.metadata;
  if (!name)
    throw new ApiError('BadRequest', `${kind.kind}: metadata.name: found none, wanted one`);
  return resourcePath(kind, { namespace, name, subresource });
}

function typed<T extends KubeObject>(kind: Kind<T>, object: T): T {
  return { ...object, apiVersion: apiVersionOf(kind), kind: kind.kind };
}
