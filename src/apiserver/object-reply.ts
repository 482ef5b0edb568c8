import type { HttpReply } from '#base/http-message.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import type { ResourceRequest } from '#apiserver/resource-request.ts';
import { jsonReply, warningHeader } from '#apiserver/status-reply.ts';
import { objectOf, wireText } from '#apiserver/stored-object.ts';
import { tableOf, type IncludeObject } from '#apiserver/tables/table.ts';
import type { Clock } from '#base/clock.ts';
import type { Entry } from '#store/store.ts';

export interface ReplyOptions {
  readonly status?: number;
  readonly warnings?: readonly string[];
  readonly clock: Clock;
}

/** One stored object in the representation the client asked for. */
export function entryReply(
  request: ResourceRequest,
  entry: Entry,
  options: ReplyOptions,
): HttpReply {
  if (request.representation !== 'object') return objectReply(request, objectOf(entry), options);
  return jsonReply(wireText(entry), replyOptions(options));
}

/** An object that need not be stored: of a dry run, or just deleted. */
export function objectReply(
  request: ResourceRequest,
  object: KubeObject,
  options: ReplyOptions,
): HttpReply {
  const { representation, kind } = request;
  if (representation === 'table') {
    const table = tableOf(kind, [object], {
      now: options.clock.now(),
      includeObject: includeObjectOf(request.query),
      metadata: { resourceVersion: object.metadata.resourceVersion ?? '' },
    });
    return jsonReply(table, replyOptions(options));
  }
  const shown = representation === 'metadata' ? partialMetadata(object) : object;
  return jsonReply(shown, replyOptions(options));
}

export function partialMetadata(object: KubeObject): Record<string, unknown> {
  return {
    kind: 'PartialObjectMetadata',
    apiVersion: 'meta.k8s.io/v1',
    metadata: object.metadata,
  };
}

/** What the rows of a Table carry besides their cells. Throws BadRequest. */
export function includeObjectOf(query: URLSearchParams): IncludeObject {
  const value = query.get('includeObject') ?? '';
  if (value === 'None' || value === 'Object') return value;
  if (value === 'Metadata' || value === '') return 'Metadata';
  const why = `includeObject: Invalid value: ${JSON.stringify(value)}: must be 'Metadata', 'Object', 'None', or empty`;
  throw new ApiError('BadRequest', `Unable to convert to Table as requested: ${why}`);
}

function replyOptions(options: ReplyOptions): { status?: number; headers: Record<string, string> } {
  return {
    ...(options.status !== undefined && { status: options.status }),
    headers: warningHeader(options.warnings ?? []),
  };
}
