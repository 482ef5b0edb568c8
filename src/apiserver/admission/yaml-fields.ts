import { isMap, isScalar, isSeq, Lexer, parseDocument, type Document, type ParsedNode } from 'yaml';
import { ApiError } from '#api/meta/api-error.ts';
import { elementPath, fieldPath } from '#apiserver/admission/field-path.ts';
import { notExact } from '#apiserver/admission/json-fields.ts';

/**
 * Lines, entries and items, counted by what separates them, in texts too. The parser takes some 13 µs and 1 KB for each,
 * while nobody else is served; whoever has more can send JSON.
 */
const PARTS_MAX = 20_000;
/** An alias may repeat a value; the sum is bounded so that ten lines cannot become a gigabyte. */
const ALIASES_MAX = 100;

export interface YamlFields {
  /** The same value as JSON text. */
  readonly json: string;
  /** Paths of keys that a map has twice; the last one won. */
  readonly duplicates: readonly string[];
}

/** Throws BadRequest for what is no YAML, or holds what JSON cannot say, RequestEntityTooLarge for what has too many parts. */
export function parseYaml(text: string): YamlFields {
  refuseParts(text);
  refuseAliases(text);
  try {
    // Whether keys are unique is asked of each pair of them by the library: of a large map that takes minutes.
    const document = parseDocument(text, { uniqueKeys: false, version: '1.2', intAsBigInt: true });
    const problem = document.errors[0];
    if (problem) throw notYaml(isStackEnd(problem.message) ? 'it nests too deep' : problem.message);
    const duplicates = checkedKeys(document);
    const value: unknown = document.toJS({ maxAliasCount: ALIASES_MAX });
    return { json: JSON.stringify(value, asNumber) ?? 'null', duplicates };
  } catch (error) {
    // The library's word for too many aliases; and the stack's end, which a text that nests for ever finds.
    if (error instanceof ReferenceError) throw notYaml(error.message);
    if (error instanceof RangeError) throw notYaml('it nests too deep');
    throw error;
  }
}

function refuseParts(text: string): void {
  let parts = 0;
  for (const _ of text.matchAll(/[\n,:[{]/g)) {
    parts += 1;
    if (parts <= PARTS_MAX) continue;
    throw new ApiError(
      'RequestEntityTooLarge',
      `the YAML has more than ${PARTS_MAX} lines, entries and items: send it as JSON`,
    );
  }
}

/** Before anything is made of them: the parser takes a thousand times as long as this does. */
function refuseAliases(text: string): void {
  // A star is seldom an alias, so the lexer is asked only where there are many.
  if (text.split('*', ALIASES_MAX + 2).length <= ALIASES_MAX + 1) return;
  let aliases = 0;
  for (const token of new Lexer().lex(text)) {
    if (token.startsWith('*')) aliases += 1;
    if (aliases > ALIASES_MAX) throw notYaml(`more than ${ALIASES_MAX} aliases`);
  }
}

function asNumber(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? Number(value) : value;
}

/** The paths of keys given twice. Throws for a number that JSON would not have as it is. */
function checkedKeys(document: Document.Parsed): string[] {
  const duplicates: string[] = [];
  const look = (node: ParsedNode | null, path: string): void => {
    if (isScalar(node)) refuseInexact(node.value, path);
    if (isSeq(node)) {
      for (const [at, item] of node.items.entries()) look(item, elementPath(path, at));
    }
    if (!isMap(node)) return;
    const keys = new Set<string>();
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? String(key.value) : String(key);
      const inner = fieldPath(path, name);
      if (keys.has(name)) duplicates.push(inner);
      keys.add(name);
      look(value, inner);
    }
  };
  look(document.contents, '');
  return duplicates;
}

function refuseInexact(value: unknown, path: string): void {
  if (typeof value !== 'bigint' && typeof value !== 'number') return;
  const isKept =
    typeof value === 'bigint' ? Number.isSafeInteger(Number(value)) : Number.isFinite(value);
  if (!isKept) throw notExact({ path, text: String(value) });
}

/** The library tells of the stack's end as of a fault of the text. */
function isStackEnd(message: string): boolean {
  return message.startsWith('Maximum call stack size exceeded');
}

function notYaml(why: string): ApiError {
  return new ApiError('BadRequest', `error converting YAML to JSON: ${why}`);
}
