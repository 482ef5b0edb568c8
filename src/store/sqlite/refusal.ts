import type { Revision } from '#store/store.ts';

/** One thing about a store's files that contradicts what was acknowledged. */
export interface Damage {
  /** For people: `revisions 3 to 7 are missing or altered`. */
  readonly text: string;
  /** The revisions that cannot be proven, where it is about revisions. */
  readonly first?: Revision;
  readonly last?: Revision;
  /** Keys that those revisions wrote, as far as the files still tell. */
  readonly keys: readonly string[];
}

/** Why a store does not open, as plain data: it is found on the worker's side and thrown on the caller's. */
export type Refusal =
  | { readonly type: 'damaged'; readonly damages: readonly Damage[] }
  | { readonly type: 'schema'; readonly found: number; readonly known: number }
  | { readonly type: 'inUse' }
  | { readonly type: 'failed'; readonly reason: string };

const TEXT_DAMAGES_MAX = 10;
const TEXT_KEYS_MAX = 5;

/** The files do not hold everything that was acknowledged. Nothing was changed. */
export class StoreDamaged extends Error {
  override readonly name = 'StoreDamaged';
  readonly damages: readonly Damage[];
  constructor(folder: string, damages: readonly Damage[]) {
    const shown = damages.slice(0, TEXT_DAMAGES_MAX).map(damageText);
    const more = damages.length - shown.length;
    super(
      `Cannot open the store in ${folder}: ${shown.join('; ')}${more > 0 ? `; and ${more} more` : ''}. ` +
        'Restore a backup, or go on with what can be proven: knode up --accept-loss',
    );
    this.damages = damages;
  }
}

/** The files were written by a program that knows more than this one, or not by knode at all. Nothing was changed. */
export class SchemaUnknown extends Error {
  override readonly name = 'SchemaUnknown';
  readonly found: number;
  constructor(folder: string, found: number, known: number) {
    super(
      `Cannot open the store in ${folder}: its schema has version ${found}, this knode knows up to ${known}. ` +
        'Use the knode that wrote it, or a newer one',
    );
    this.found = found;
  }
}

export class StoreInUse extends Error {
  override readonly name = 'StoreInUse';
  constructor(folder: string) {
    super(`Cannot open the store in ${folder}: another process has it open`);
  }
}

/** How the worker's side says a refusal; only its data crosses to the caller's. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly refusal: Refusal;
  constructor(refusal: Refusal) {
    super(`Cannot open the log: ${refusal.type}`);
    this.refusal = refusal;
  }
}

export function refusalError(folder: string, refusal: Refusal): Error {
  switch (refusal.type) {
    case 'damaged':
      return new StoreDamaged(folder, refusal.damages);
    case 'schema':
      return new SchemaUnknown(folder, refusal.found, refusal.known);
    case 'inUse':
      return new StoreInUse(folder);
    case 'failed':
      return new Error(`Cannot open the store in ${folder}: ${refusal.reason}`);
  }
}

function damageText({ text, keys }: Damage): string {
  if (keys.length === 0) return text;
  const shown = keys.slice(0, TEXT_KEYS_MAX).map((key) => JSON.stringify(key));
  const more = keys.length - shown.length;
  return `${text} (keys ${shown.join(', ')}${more > 0 ? ` and ${more} more` : ''})`;
}
