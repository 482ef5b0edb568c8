/**
 * The part of Go's text/template that configuration is written in: fields, pipelines, `if` and `else`.
 * What is not understood is refused when the template is parsed, so that a wrong one is never half applied.
 */
export interface GoTemplate {
  /** Throws GoTemplateError where a field is not there, or a function is given what it cannot take. */
  execute(data: TemplateData): string;
}

/** An object is a struct, whose fields must be there; a Map is a map, whose missing keys are empty. */
interface TemplateData {
  readonly [field: string]: TemplateValue;
}
type TemplateValue = string | number | boolean | ReadonlyMap<string, string> | TemplateData;

/** Maps answer to `Get` as Go's headers do. */
const GET = 'Get';

export class GoTemplateError extends Error {
  override readonly name = 'GoTemplateError';
}

/** A template longer than this is nobody's host name or log line. */
const LENGTH_MAX = 16 * 1024;
/** `if` within `if`. */
const DEPTH_MAX = 32;

type Node =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'print'; readonly pipeline: Pipeline }
  | {
      readonly type: 'if';
      readonly condition: Pipeline;
      readonly whenTrue: readonly Node[];
      readonly otherwise: readonly Node[];
    };
type Pipeline = readonly (readonly Operand[])[];
type Operand =
  | { readonly type: 'field'; readonly path: readonly string[] }
  | { readonly type: 'literal'; readonly value: TemplateValue }
  | { readonly type: 'function'; readonly name: string }
  | { readonly type: 'pipeline'; readonly pipeline: Pipeline };

/** Throws GoTemplateError where the text is no template, or uses what is not understood here. */
export function parseGoTemplate(text: string): GoTemplate {
  if (text.length > LENGTH_MAX) {
    throw new GoTemplateError(`template: ${text.length} characters, at most ${LENGTH_MAX}`);
  }
  const parser = new Parser(actionsOf(text));
  const nodes = parser.nodes(0);
  parser.expectEnd();
  return { execute: (data) => render(nodes, data) };
}

type Piece = { readonly text: string } | { readonly action: string };

function actionsOf(text: string): Piece[] {
  const pieces: Piece[] = [];
  let rest = text;
  while (rest !== '') {
    const open = rest.indexOf('{{');
    if (open < 0) break;
    const close = endOfAction(rest, open + 2);
    if (close < 0) throw new GoTemplateError('template: unclosed action');
    let before = rest.slice(0, open);
    let action = rest.slice(open + 2, close);
    rest = rest.slice(close + 2);
    if (/^-\s/.test(action)) {
      action = action.slice(1);
      before = before.trimEnd();
    }
    if (/\s-$/.test(action)) {
      action = action.slice(0, -1);
      rest = rest.trimStart();
    }
    if (before !== '') pieces.push({ text: before });
    const isComment = /^\s*\/\*[\s\S]*\*\/\s*$/.test(action);
    if (!isComment) pieces.push({ action: action.trim() });
  }
  if (rest !== '') pieces.push({ text: rest });
  return pieces;
}

/** Where `}}` ends the action, strings left out. */
function endOfAction(text: string, from: number): number {
  const token = /\/\*[\s\S]*?\*\/|"(?:[^"\\\n]|\\.)*"|`[^`]*`|\}\}/g;
  token.lastIndex = from;
  for (let match = token.exec(text); match; match = token.exec(text)) {
    if (match[0] === '}}') return match.index;
  }
  return -1;
}

class Parser {
  readonly #pieces: readonly Piece[];
  #at = 0;

  constructor(pieces: readonly Piece[]) {
    this.#pieces = pieces;
  }

  /** Until the end, or an `else` or `end` that belongs to somebody further out. */
  nodes(depth: number): Node[] {
    if (depth > DEPTH_MAX) throw new GoTemplateError(`template: if nested more than ${DEPTH_MAX}`);
    const nodes: Node[] = [];
    for (let piece = this.#pieces[this.#at]; piece; piece = this.#pieces[this.#at]) {
      if ('text' in piece) nodes.push({ type: 'text', text: piece.text });
      else if (/^(?:else|end)\b/.test(piece.action)) break;
      else if (/^if\s/.test(piece.action)) {
        nodes.push(this.#if(piece.action.slice(2), depth));
        continue;
      } else nodes.push({ type: 'print', pipeline: parsePipeline(piece.action) });
      this.#at += 1;
    }
    return nodes;
  }

  expectEnd(): void {
    const piece = this.#pieces[this.#at];
    if (piece && 'action' in piece) {
      throw new GoTemplateError(`template: unexpected {{${piece.action}}}`);
    }
  }

  #if(condition: string, depth: number): Node {
    this.#at += 1;
    const whenTrue = this.nodes(depth + 1);
    const next = this.#pieces[this.#at];
    const action = next && 'action' in next ? next.action : undefined;
    let otherwise: readonly Node[] = [];
    if (action === 'end') this.#at += 1;
    else if (action === 'else') {
      this.#at += 1;
      otherwise = this.nodes(depth + 1);
      const last = this.#pieces[this.#at];
      if (!last || !('action' in last) || last.action !== 'end') {
        throw new GoTemplateError('template: if without end');
      }
      this.#at += 1;
    } else if (action && /^else\s+if\s/.test(action)) {
      otherwise = [this.#if(action.replace(/^else\s+if/, ''), depth + 1)];
    } else throw new GoTemplateError('template: if without end');
    return { type: 'if', condition: parsePipeline(condition), whenTrue, otherwise };
  }
}

const TOKEN =
  /\s*(?:(?<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)|(?<number>-?\d+(?:\.\d+)?)|(?<field>\$?(?:\.[A-Za-z_]\w*)+|\$?\.|\$)|(?<word>[A-Za-z_]\w*)|(?<mark>[|()]))/y;

function parsePipeline(text: string): Pipeline {
  const tokens = tokensOf(text);
  const pipeline = readPipeline(tokens, text);
  if (tokens.length > 0) throw new GoTemplateError(`template: unexpected ")" in {{${text}}}`);
  return pipeline;
}

function tokensOf(text: string): RegExpExecArray[] {
  const tokens: RegExpExecArray[] = [];
  TOKEN.lastIndex = 0;
  const trimmed = text.trimEnd();
  while (TOKEN.lastIndex < trimmed.length) {
    const from = TOKEN.lastIndex;
    const token = TOKEN.exec(trimmed);
    if (!token) {
      throw new GoTemplateError(`template: unexpected ${JSON.stringify(trimmed.slice(from))}`);
    }
    tokens.push(token);
  }
  return tokens;
}

/** Takes tokens from the front, up to a closing parenthesis or the end. */
function readPipeline(tokens: RegExpExecArray[], text: string): Pipeline {
  const commands: Operand[][] = [[]];
  for (let token = tokens.shift(); token; token = tokens.shift()) {
    const mark = token.groups?.['mark'];
    if (mark === ')') {
      tokens.unshift(token);
      break;
    }
    if (mark === '|') commands.push([]);
    else if (mark === '(') {
      commands.at(-1)?.push({ type: 'pipeline', pipeline: readPipeline(tokens, text) });
      const closing = tokens.shift();
      if (closing?.groups?.['mark'] !== ')') {
        throw new GoTemplateError(`template: unclosed left paren in {{${text}}}`);
      }
    } else commands.at(-1)?.push(operandOf(token));
  }
  if (commands.some((command) => command.length === 0)) {
    throw new GoTemplateError(`template: missing value in {{${text}}}`);
  }
  return commands;
}

function operandOf({ groups = {} }: RegExpExecArray): Operand {
  const { string, number, field, word = '' } = groups;
  if (string !== undefined) return { type: 'literal', value: stringOf(string) };
  if (number !== undefined) return { type: 'literal', value: Number(number) };
  if (field !== undefined) {
    return { type: 'field', path: field.replace('$', '').split('.').filter(Boolean) };
  }
  if (word === 'true' || word === 'false') return { type: 'literal', value: word === 'true' };
  if (Object.hasOwn(FUNCTIONS, word)) return { type: 'function', name: word };
  throw new GoTemplateError(`template: function "${word}" not defined`);
}

function stringOf(token: string): string {
  if (token.startsWith('`')) return token.slice(1, -1);
  try {
    return String(JSON.parse(token));
  } catch (error) {
    throw new GoTemplateError(`template: string ${token} has an escape that is not understood`, {
      cause: error,
    });
  }
}

function render(nodes: readonly Node[], data: TemplateData): string {
  return nodes
    .map((node) => {
      if (node.type === 'text') return node.text;
      if (node.type === 'print') return printed(evaluate(node.pipeline, data));
      const isTrue = isTruthy(evaluate(node.condition, data));
      return render(isTrue ? node.whenTrue : node.otherwise, data);
    })
    .join('');
}

function evaluate(pipeline: Pipeline, data: TemplateData): TemplateValue {
  let previous: TemplateValue | undefined;
  for (const [first, ...rest] of pipeline) {
    const given = rest.map((operand) => valueOf(operand, data));
    if (previous !== undefined) given.push(previous);
    if (first?.type === 'function') previous = call(first.name, given);
    else if (first?.type === 'field' && first.path.at(-1) === GET && given.length === 1) {
      previous = call('index', [
        valueOf({ ...first, path: first.path.slice(0, -1) }, data),
        ...given,
      ]);
    } else if (first && given.length === 0) previous = valueOf(first, data);
    else throw new GoTemplateError('template: cannot give arguments to what is no function');
  }
  return previous ?? '';
}

function valueOf(operand: Operand, data: TemplateData): TemplateValue {
  if (operand.type === 'literal') return operand.value;
  if (operand.type === 'pipeline') return evaluate(operand.pipeline, data);
  if (operand.type === 'function') return call(operand.name, []);
  let value: TemplateValue = data;
  for (const name of operand.path) {
    if (value instanceof Map) value = value.get(name) ?? '';
    else if (typeof value === 'object' && Object.hasOwn(value, name)) {
      // A struct: hasOwn has just said that the field is there.
      value = (value as TemplateData)[name] ?? '';
    } else throw new GoTemplateError(`template: can't evaluate field ${name}`);
  }
  return value;
}

function call(name: string, given: readonly TemplateValue[]): TemplateValue {
  const found = FUNCTIONS[name];
  if (!found) throw new GoTemplateError(`template: function "${name}" not defined`);
  return found(given);
}

const FUNCTIONS: Readonly<Record<string, (given: readonly TemplateValue[]) => TemplateValue>> = {
  index([collection, key, more]) {
    if (!(collection instanceof Map) || key === undefined || more !== undefined) {
      throw new GoTemplateError('template: index takes a map and a key');
    }
    return collection.get(printed(key)) ?? '';
  },
  js: ([value = '']) => escapedForScript(printed(value)),
  eq: ([first, ...others]) => others.some((other) => other === first),
  ne: ([first, second]) => first !== second,
  not: ([value]) => !isTruthy(value ?? ''),
  and: (values) => values.find((value) => !isTruthy(value)) ?? values.at(-1) ?? '',
  or: (values) => values.find((value) => isTruthy(value)) ?? values.at(-1) ?? '',
  len([value]) {
    if (value instanceof Map) return value.size;
    return typeof value === 'string' ? Buffer.byteLength(value) : 0;
  },
  print: (values) => values.map(printed).join(''),
  printf([format = '', ...values]) {
    const rest = [...values];
    return printed(format).replaceAll(/%[svdq%]/g, (verb) => {
      if (verb === '%%') return '%';
      const text = printed(rest.shift() ?? '');
      return verb === '%q' ? JSON.stringify(text) : text;
    });
  },
};

const SCRIPT_ESCAPES: Readonly<Record<string, string>> = {
  '\\': String.raw`\\`,
  "'": String.raw`\'`,
  '"': String.raw`\"`,
};

/** As Go's `js`: what may stand between quotes of JavaScript, and in HTML too. */
function escapedForScript(text: string): string {
  return text.replaceAll(
    /[\\'"<>&=\p{Cc}\p{Zl}\p{Zp}]/gu,
    (found) =>
      SCRIPT_ESCAPES[found] ??
      String.raw`\u${found.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`,
  );
}

function isTruthy(value: TemplateValue): boolean {
  if (value instanceof Map) return value.size > 0;
  return Boolean(value);
}

function printed(value: TemplateValue): string {
  if (value instanceof Map) {
    return `map[${[...value].map(([key, each]) => `${key}:${each}`).join(' ')}]`;
  }
  if (typeof value === 'object') throw new GoTemplateError('template: cannot print a struct');
  return String(value);
}
