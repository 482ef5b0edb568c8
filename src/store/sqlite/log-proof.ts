import type { Damage } from '#store/sqlite/refusal.ts';
import { GENESIS } from '#store/sqlite/log-record.ts';
import { EMPTY_MARK, type Mark } from '#store/sqlite/high-water-mark.ts';
import type { Revision } from '#store/store.ts';

/** A link of the chain as the database holds it: one write, or a range of writes that compaction removed. */
export interface LogItem {
  readonly first: number;
  readonly last: number;
  /** The chain's checksum before `first`, and after `last`. */
  readonly previous: string;
  readonly after: string;
  /** Whether the item's own checksum fits what it holds. */
  readonly isSound: boolean;
  /** Of a write. */
  readonly key?: string;
  readonly prior?: number;
}

interface LostRange {
  readonly first: number;
  readonly last: number;
  readonly keys: Set<string>;
}

/**
 * Decides whether a log is whole: every revision from 1 to the high-water mark is there once, as a write or inside a
 * removed range; every item fits its checksum; each begins where the chain before it ends; and the chain passes through
 * the mark. Pure: items are handed in, in the order of their revisions.
 */
export class LogProof {
  readonly #mark: Mark;
  readonly #isMarkAbsent: boolean;
  readonly #damages: Damage[] = [];
  readonly #lost: LostRange[] = [];
  #head = 0;
  #checksum = GENESIS;

  constructor(mark: Mark | 'absent' | 'altered') {
    this.#mark = typeof mark === 'string' ? EMPTY_MARK : mark;
    if (mark === 'altered') this.note('the high-water mark is altered');
    this.#isMarkAbsent = mark === 'absent';
  }

  /** Adds what was found by other means than by looking at items. */
  note(text: string, key?: string): void {
    this.#damages.push({ text, keys: key === undefined ? [] : [key] });
  }

  accept(item: LogItem): void {
    if (!item.isSound) {
      const what = item.last > item.first ? `the range from ${item.first}` : `${item.first}`;
      this.note(`what the database holds as revision ${what} does not fit its checksum`, item.key);
      return;
    }
    if (item.first <= this.#head) {
      this.note(`revision ${item.first} is there more than once`, item.key);
      return;
    }
    if (item.first > this.#head + 1) this.#lose(this.#head + 1, item.first - 1);
    else if (item.previous !== this.#checksum) {
      this.note(`the chain is broken before revision ${item.first}`, item.key);
    }
    const { revision, checksum } = this.#mark;
    const contradicts = revision === item.last && checksum !== item.after;
    const hides = item.first <= revision && revision < item.last;
    if (contradicts || hides)
      this.note(`revision ${revision} is not the one that was acknowledged`);
    this.#nameLost(item);
    this.#head = item.last;
    this.#checksum = item.after;
  }

  /** After the last item. `mark` is where the log ends. */
  finish(): { readonly mark: Mark; readonly damages: readonly Damage[] } {
    if (this.#isMarkAbsent && this.#head > 0) this.note('the high-water mark is missing');
    if (this.#mark.revision > this.#head) {
      this.#lose(this.#head + 1, this.#mark.revision);
      this.#head = this.#mark.revision;
      this.#checksum = this.#mark.checksum;
    }
    const lost = this.#lost.map(({ first, last, keys }) => ({
      text:
        first === last
          ? `revision ${first} is missing or altered`
          : `revisions ${first} to ${last} are missing or altered`,
      first: first as Revision,
      last: last as Revision,
      keys: [...keys],
    }));
    return {
      mark: { revision: this.#head as Revision, checksum: this.#checksum },
      damages: [...lost, ...this.#damages],
    };
  }

  #lose(first: number, last: number): void {
    this.#lost.push({ first, last, keys: new Set() });
  }

  /** A later write of the same key tells whose value a lost revision was. */
  #nameLost({ prior, key }: LogItem): void {
    if (prior === undefined || key === undefined) return;
    this.#lost.find(({ first, last }) => first <= prior && prior <= last)?.keys.add(key);
  }
}
