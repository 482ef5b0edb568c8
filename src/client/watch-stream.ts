import type { HttpReply } from '#base/http-message.ts';
import { ApiError } from '#api/meta/api-error.ts';
import type { KubeObject } from '#api/meta/object-meta.ts';
import type { WatchEvent } from '#client/client.ts';
import { statusFailure, type WireStatus } from '#client/failure.ts';
import { freeze } from '#client/freeze.ts';

/** More than the largest object a server stores, in the event's envelope; a line above this is no watch event. */
const LINE_BYTES_MAX = 16 * 1024 * 1024;

/** The events of a watch's body, one JSON object a line. Throws ApiError for an ERROR event. */
export async function* watchEvents<T extends KubeObject>(
  body: HttpReply['body'],
): AsyncGenerator<WatchEvent<T>, void, undefined> {
  for await (const line of linesOf(body)) {
    if (line !== '') yield parseEvent<T>(line);
  }
}

function parseEvent<T extends KubeObject>(line: string): WatchEvent<T> {
  // The server is the one whose reply we asked for; what it sends as a kind's object is one.
  const { type, object } = JSON.parse(line) as { type: string; object: T };
  switch (type) {
    case 'ADDED':
    case 'MODIFIED':
    case 'DELETED':
      return { type, object: freeze(object) };
    case 'BOOKMARK':
      return { type, resourceVersion: object.metadata.resourceVersion ?? '' };
    case 'ERROR':
      throw statusFailure(object as WireStatus);
    default:
      throw new ApiError('InternalError', `watch: unknown event type "${type}"`);
  }
}

async function* linesOf(body: HttpReply['body']): AsyncGenerator<string, void, undefined> {
  if (typeof body === 'string') {
    yield* body.split('\n');
    return;
  }
  const chunks = body instanceof Uint8Array ? [body] : body;
  const decoder = new TextDecoder();
  let rest = '';
  for await (const chunk of chunks) {
    const text = typeof chunk === 'string' ? chunk : decoder.decode(chunk, { stream: true });
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    if (rest.length > LINE_BYTES_MAX) {
      throw new ApiError('InternalError', `watch: an event is longer than ${LINE_BYTES_MAX} bytes`);
    }
    yield* lines;
  }
}
