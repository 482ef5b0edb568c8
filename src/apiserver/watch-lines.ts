import type { Clock } from '#base/clock.ts';
import { includeObjectOf, partialMetadata } from '#apiserver/object-reply.ts';
import type { ResourceRequest } from '#apiserver/resource-request.ts';
import type { Selection } from '#apiserver/selection.ts';
import { objectAt, wireText } from '#apiserver/stored-object.ts';
import { tableOf } from '#apiserver/tables/table.ts';
import type { Change, Entry, Revision } from '#store/store.ts';

/** Events of one watch as lines of text; undefined where the watch's selection leaves the change out. */
export interface WatchLines {
  added(entry: Entry): string | undefined;
  changed(change: Change): string | undefined;
}

type EventType = 'ADDED' | 'MODIFIED' | 'DELETED';

// Many watches tell the same change in the same words: the words are made once, and go with the change.
const rendered = new WeakMap<Change, Map<string, string>>();

export function watchLines(
  request: ResourceRequest,
  selection: Selection,
  clock: Clock,
): WatchLines {
  const { kind, representation } = request;
  const includeObject = includeObjectOf(request.query);
  const dialect = representation === 'table' ? `table ${includeObject}` : representation;

  // A table's columns are told once: with the first event, whose line no other watch can share.
  let hasColumns = representation === 'table';
  const render = ({ type, entry, revision }: Event): string => {
    if (representation === 'object')
      return `{"type":"${type}","object":${wireText(entry, revision)}}\n`;
    const object = objectAt(entry, revision);
    const metadata = { resourceVersion: String(revision) };
    const shown =
      representation === 'table'
        ? tableOf(kind, [object], { now: clock.now(), includeObject, metadata, hasColumns })
        : partialMetadata(object);
    hasColumns = false;
    return `${JSON.stringify({ type, object: shown })}\n`;
  };

  return {
    added: (entry) =>
      selection.selects(entry)
        ? render({ type: 'ADDED', entry, revision: entry.modified })
        : undefined,
    changed(change) {
      const event = eventOf(change, selection);
      if (!event) return undefined;
      if (hasColumns) return render(event);
      const words = rendered.get(change) ?? new Map<string, string>();
      rendered.set(change, words);
      const name = `${event.type} ${dialect}`;
      const line = words.get(name) ?? render(event);
      words.set(name, line);
      return line;
    },
  };
}

interface Event {
  readonly type: EventType;
  readonly entry: Entry;
  readonly revision: Revision;
}

/** An object that begins or ceases to be selected is told as one that came or went, with the state last selected. */
function eventOf(change: Change, selection: Selection): Event | undefined {
  const { entry } = change;
  if (change.type === 'delete') {
    return selection.selects(entry) ? { type: 'DELETED', entry, revision: change.at } : undefined;
  }
  const revision = entry.modified;
  const wasSelected = change.previous !== undefined && selection.selects(change.previous);
  if (selection.selects(entry))
    return { type: wasSelected ? 'MODIFIED' : 'ADDED', entry, revision };
  if (wasSelected && change.previous) return { type: 'DELETED', entry: change.previous, revision };
  return undefined;
}
