import type * as Cel from '@bufbuild/cel';
import type { Schema } from '#api/schema.ts';
import { escapedName } from '#apiserver/cel/escaped-name.ts';
import { CompilationError } from '#apiserver/cel/compilation-error.ts';

/*
 * Of CEL's types what an author gets wrong: names that there are not, fields that the schema does not have, and results
 * of another type. What cannot be known from the schema is let pass, and is checked when it is evaluated.
 */

type Expr = NonNullable<ReturnType<typeof Cel.parse>['expr']>;
/** What is known of a value; empty where nothing is. */
type Known = Schema;
type Scope = ReadonlyMap<string, Known>;

const UNKNOWN: Known = {};
const BOOLEAN: Known = { type: 'boolean' };
const STRING: Known = { type: 'string' };
const INTEGER: Known = { type: 'integer' };

const TYPES = new Set(
  'bool bytes double dyn duration google int list map null_type string timestamp type uint'.split(
    ' ',
  ),
);
const RESULTS: Readonly<Record<string, Known>> = Object.fromEntries([
  ...'_==_ _!=_ _<_ _<=_ _>_ _>=_ _&&_ _||_ !_ @in startsWith endsWith contains matches hasValue isSorted bool'
    .split(' ')
    .map((name) => [name, BOOLEAN]),
  ...'size indexOf lastIndexOf int'.split(' ').map((name) => [name, INTEGER]),
  ...'string lowerAscii upperAscii trim replace substring join'
    .split(' ')
    .map((name) => [name, STRING]),
]);

/** Throws CompilationError where the expression names what there is not; returns what is known of its result. */
export function checkTypes(
  expression: Expr,
  variables: Readonly<Record<string, Known>>,
  isFunction: (name: string) => boolean,
): Known {
  return knownOf(expression, { scope: new Map(Object.entries(variables)), isFunction });
}

interface Place {
  readonly scope: Scope;
  readonly isFunction: (name: string) => boolean;
}

function knownOf(expression: Expr | undefined, place: Place): Known {
  const kind = expression?.exprKind;
  switch (kind?.case) {
    case 'constExpr':
      return constantOf(kind.value.constantKind.case);
    case 'identExpr':
      return variableOf(kind.value.name, place);
    case 'selectExpr': {
      const { operand, field, testOnly } = kind.value;
      const selected = fieldOf(knownOf(operand, place), field);
      return testOnly ? BOOLEAN : selected;
    }
    case 'listExpr':
      for (const element of kind.value.elements) knownOf(element, place);
      return { type: 'array', items: UNKNOWN };
    case 'structExpr':
      for (const { keyKind, value } of kind.value.entries) {
        if (keyKind.case === 'mapKey') knownOf(keyKind.value, place);
        knownOf(value, place);
      }
      return { type: 'object', additionalProperties: UNKNOWN };
    case 'comprehensionExpr':
      return comprehensionOf(kind.value, place);
    case 'callExpr':
      return callOf(kind.value, place);
    case undefined:
    default:
      return UNKNOWN;
  }
}

function constantOf(type: string | undefined): Known {
  if (type === 'boolValue') return BOOLEAN;
  if (type === 'stringValue') return STRING;
  return type === 'int64Value' ? INTEGER : type === 'doubleValue' ? { type: 'number' } : UNKNOWN;
}

function variableOf(name: string, { scope }: Place): Known {
  const known = scope.get(name);
  if (known) return known;
  if (TYPES.has(name)) return UNKNOWN;
  throw new CompilationError(`undeclared reference to '${name}' (in container '')`);
}

function fieldOf(known: Known, field: string): Known {
  const { type, properties, additionalProperties } = known;
  if (known['x-kubernetes-int-or-string'] || known.format !== undefined) return UNKNOWN;
  if (type !== undefined && type !== 'object') {
    throw new CompilationError(`type '${type}' does not support field selection`);
  }
  if (typeof additionalProperties === 'object') return additionalProperties;
  if (!properties) return UNKNOWN;
  const found = Object.entries(properties).find(([name]) => escapedName(name) === field);
  if (found) return found[1];
  if (known['x-kubernetes-embedded-resource'] && HEAD.has(field)) return UNKNOWN;
  throw new CompilationError(`undefined field '${field}'`);
}

const HEAD = new Set(['apiVersion', 'kind', 'metadata']);

type Comprehension = Extract<Expr['exprKind'], { case: 'comprehensionExpr' }>['value'];

function comprehensionOf(fold: Comprehension, place: Place): Known {
  const range = knownOf(fold.iterRange, place);
  const element = range.type === 'array' ? (range.items ?? UNKNOWN) : mapKey(range);
  const start = knownOf(fold.accuInit, place);
  const scope = new Map(place.scope)
    .set(fold.iterVar, element)
    .set(fold.accuVar, start.type === 'boolean' ? BOOLEAN : UNKNOWN);
  const inside = { ...place, scope };
  knownOf(fold.loopCondition, inside);
  knownOf(fold.loopStep, inside);
  return knownOf(fold.result, inside);
}

function mapKey({ additionalProperties }: Known): Known {
  return typeof additionalProperties === 'object' ? STRING : UNKNOWN;
}

type Call = Extract<Expr['exprKind'], { case: 'callExpr' }>['value'];

function callOf({ function: name, target, args }: Call, place: Place): Known {
  const isKnown = target === undefined ? place.isFunction(name) : true;
  if (!isKnown && !OPERATORS.has(name)) {
    throw new CompilationError(`undeclared reference to '${name}' (in container '')`);
  }
  if (target) knownOf(target, place);
  const [first = UNKNOWN, second = UNKNOWN] = args.map((argument) => knownOf(argument, place));
  if (name === '_[_]') return first.type === 'array' ? (first.items ?? UNKNOWN) : mapValue(first);
  if (name === '_?_:_') return second;
  if (/^_[-+*/%]_$/.test(name)) return first;
  return (Object.hasOwn(RESULTS, name) && RESULTS[name]) || UNKNOWN;
}

/** Those that the evaluator knows by itself. */
const OPERATORS = new Set(
  '_&&_ _||_ _?_:_ _[_] @not_strictly_false !_ -_ _==_ _!=_ @in'.split(' '),
);

function mapValue({ additionalProperties }: Known): Known {
  return typeof additionalProperties === 'object' ? additionalProperties : UNKNOWN;
}
