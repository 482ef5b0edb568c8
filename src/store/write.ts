import { KeyExists, StaleRevision, type Change, type Entry, type Revision } from '#store/store.ts';

/** What a caller asks for, before it has a revision. */
export type Write =
  | { readonly type: 'create'; readonly key: string; readonly value: string }
  | {
      readonly type: 'update';
      readonly key: string;
      readonly value: string;
      readonly expected: Revision;
    }
  | { readonly type: 'delete'; readonly key: string; readonly expected: Revision };

/** UTF-16 code units. Kubernetes' longest keys (group, resource, namespace, name) stay below 700. */
const KEY_LENGTH_MAX = 4_096;
/** UTF-16 code units. The API server's own limit is 1.5 MB; this one only keeps one write from being a whole batch. */
const VALUE_LENGTH_MAX = 16 * 1024 * 1024;

/** Throws RangeError where the write cannot be stored and read back unchanged. */
export function assertStorable(write: Write): void {
  assertText('key', write.key, KEY_LENGTH_MAX);
  if (write.type !== 'delete') assertText('value', write.value, VALUE_LENGTH_MAX);
}

/** What forbids `write` where its key holds `current`. */
export function conflictOf(
  write: Write,
  current: Entry | undefined,
): KeyExists | StaleRevision | undefined {
  if (write.type === 'create') return current && new KeyExists(current);
  if (current?.modified === write.expected) return undefined;
  return new StaleRevision(write.key, write.expected, current);
}

/** What `write` does as `revision` where its key holds `current`. Throws what conflictOf finds. */
export function changeOf(write: Write, current: Entry | undefined, revision: Revision): Change {
  const conflict = conflictOf(write, current);
  if (conflict) throw conflict;
  if (write.type === 'delete') {
    if (!current) throw new StaleRevision(write.key, write.expected, current);
    return { type: 'delete', entry: current, at: revision };
  }
  const { key, value } = write;
  const entry = { key, value, created: current?.created ?? revision, modified: revision };
  return { type: 'put', entry, ...(current && { previous: current }) };
}

/** The revision after `revision`. */
export function nextRevision(revision: Revision): Revision {
  // The brand only marks numbers that came from a log; one more than such a number does too.
  return (revision + 1) as Revision;
}

function assertText(what: 'key' | 'value', text: string, lengthMax: number): void {
  if (text.length > lengthMax) {
    throw new RangeError(
      `Cannot store the ${what}: it has ${text.length} characters, at most ${lengthMax} are allowed`,
    );
  }
  // A lone surrogate would come back from UTF-8 as another character.
  if (!text.isWellFormed()) {
    throw new RangeError(`Cannot store the ${what}: it is not well-formed Unicode`);
  }
}
