import { COLON, CR, fieldValueTable, LF, SPACE, TAB, tokenTable } from './characters.ts';
import { ProtocolError } from './protocol-error.ts';

/**
 * The fields of one message in the order they were sent. Parallel arrays, because a proxy walks all of them for each
 * message and looks at few.
 */
export class FieldSection {
  /** In lower case. */
  readonly names: string[] = [];
  /** Without the white space around them. */
  readonly values: string[] = [];
  readonly #text: string;
  /** Where each line starts in the text; one more than there are fields. */
  readonly #starts: number[] = [];

  constructor(text: string) {
    this.#text = text;
  }

  get length(): number {
    return this.names.length;
  }

  /** The first value of that name (in lower case); undefined where there is none. */
  get(name: string): string | undefined {
    const index = this.names.indexOf(name);
    return index === -1 ? undefined : this.values[index];
  }

  /** The line as it was sent, CRLF included. */
  line(index: number): string {
    return this.#text.slice(this.#starts[index], this.#starts[index + 1]);
  }

  /** Only for the parser. */
  add(name: string, value: string, start: number): void {
    this.names.push(name);
    this.values.push(value);
    this.#starts.push(start);
  }

  /** Only for the parser: the position after the last line. */
  close(end: number): void {
    this.#starts.push(end);
  }
}

/**
 * RFC 9112 §5: the field lines of `text` from `start` to `end`, each ended by CRLF. Refuses what §5.1 and §5.2 let
 * recipients repair: white space before the colon, line folding, bare CR and bare LF.
 */
export function parseFields(
  text: string,
  { start, end, fieldsMax }: { start: number; end: number; fieldsMax: number },
): FieldSection {
  const fields = new FieldSection(text);
  let at = start;
  while (at < end) {
    if (fields.length === fieldsMax) {
      throw new ProtocolError(`header: more than ${fieldsMax} fields`, 431);
    }
    const lineStart = at;
    while (tokenTable[text.charCodeAt(at)] === 1) at += 1;
    if (at === lineStart || text.charCodeAt(at) !== COLON) throw badName(text, lineStart, at);
    const name = text.slice(lineStart, at).toLowerCase();
    at += 1;
    while (isBlank(text.charCodeAt(at))) at += 1;
    const valueStart = at;
    while (fieldValueTable[text.charCodeAt(at)] === 1) at += 1;
    if (text.charCodeAt(at) !== CR || text.charCodeAt(at + 1) !== LF) {
      throw new ProtocolError(`header ${name}: a character that no field value may hold`);
    }
    let valueEnd = at;
    while (valueEnd > valueStart && isBlank(text.charCodeAt(valueEnd - 1))) valueEnd -= 1;
    fields.add(name, text.slice(valueStart, valueEnd), lineStart);
    at += 2;
  }
  fields.close(end);
  return fields;
}

function badName(text: string, lineStart: number, at: number): ProtocolError {
  if (at > lineStart && isBlank(text.charCodeAt(at))) {
    return new ProtocolError('header: white space between a field name and its colon');
  }
  if (isBlank(text.charCodeAt(lineStart))) return new ProtocolError('header: a folded line');
  return new ProtocolError('header: a line that does not begin with a field name and a colon');
}

function isBlank(code: number): boolean {
  return code === SPACE || code === TAB;
}

/** RFC 9110 §5.6.1: the members of a comma-separated list, in lower case, empty ones left out. */
export function listMembers(value: string): string[] {
  return value
    .toLowerCase()
    .split(',')
    .map((member) => member.trim())
    .filter((member) => member !== '');
}
