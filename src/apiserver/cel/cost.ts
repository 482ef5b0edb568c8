import type * as Cel from '@bufbuild/cel';
import { celLibrary } from '#apiserver/cel/cel-library.ts';

/*
 * The evaluator cannot be interrupted, so whatever it goes over is counted on the way: every list that a macro loops
 * over, every value that a function takes or compares. A unit is an element, or sixteen characters.
 */

/** What one expression may use: some ten milliseconds. */
const EXPRESSION_UNITS_MAX = 20_000;
/** What all expressions about one object may use together. */
const OBJECT_UNITS_MAX = 200_000;
const UNIT_CHARACTERS = 16;

/** What is left for the expression being evaluated; evaluation is synchronous, so there is one at a time. */
let left = 0;

/** Of all expressions about one object. */
export class CelBudget {
  #left = OBJECT_UNITS_MAX;

  get isSpent(): boolean {
    return this.#left <= 0;
  }

  /** Evaluates one expression; it throws RangeError when it uses more than it may. */
  run<T>(work: () => T): T {
    const limit = Math.min(EXPRESSION_UNITS_MAX, this.#left);
    left = limit;
    // The evaluator makes an Error of each failure, passes many over, and nobody reads where they came from.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    try {
      return work();
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
      this.#left -= limit - left;
    }
  }
}

/** Made once: the evaluator turns it into a value and goes on for a while, and each new one would cost a stack trace. */
const OVER = new RangeError('operation cancelled: actual cost limit exceeded');

function spend(units: number): void {
  left -= units;
  if (left < 0) throw OVER;
}

/** Throws RangeError where the expression just evaluated used too much; it may have passed over being told. */
export function refuseOverspent(): void {
  if (left < 0) throw OVER;
}

/** A text about to be read from end to end. */
export function spendText(text: string): void {
  spend(text.length / UNIT_CHARACTERS);
}

type Expr = NonNullable<ReturnType<typeof Cel.parse>['expr']>;

const LOOPED = '@looped';
const SIZED = '@sized';
const COMPARED = '@compared';

/** These look at no more than one element of what they are given. */
const FREE = new Set(
  '_&&_ _||_ _?_:_ !_ -_ _[_] @not_strictly_false size type quote hasValue value'.split(' '),
);
const COMPARING = new Set(['_==_', '_!=_', '@in']);

/** As deep as Kubernetes takes expressions; what is deeper might end the stack, at one time or another. */
const DEPTH_MAX = 250;
/** So many operations take about as long as a loop's step does without any. */
const OPERATIONS_A_UNIT = 16;

/**
 * Changes a parsed expression in place, so that evaluating it counts; returns how many operations it has. Throws
 * RangeError where it nests too deeply.
 */
export function meter(expression: Expr | undefined, outer = 0): number {
  const depth = outer + 1;
  if (depth > DEPTH_MAX) {
    throw new RangeError(`the expression nests more than ${DEPTH_MAX} levels`);
  }
  const inside = (parts: readonly (Expr | undefined)[]): number =>
    parts.reduce((sum, part) => sum + meter(part, depth), 1);
  const kind = expression?.exprKind;
  switch (kind?.case) {
    case 'selectExpr':
      return inside([kind.value.operand]);
    case 'listExpr':
      return inside(kind.value.elements);
    case 'structExpr':
      return inside(
        kind.value.entries.flatMap(({ keyKind, value }) => [
          keyKind.case === 'mapKey' ? keyKind.value : undefined,
          value,
        ]),
      );
    case 'comprehensionExpr': {
      const { accuInit, loopCondition, loopStep, result, iterRange } = kind.value;
      const step = inside([loopCondition, loopStep]);
      const rest = inside([accuInit, result, iterRange]);
      const weight = BigInt(Math.ceil(step / OPERATIONS_A_UNIT));
      if (iterRange) kind.value.iterRange = call(LOOPED, [iterRange, constant(weight)]);
      return step + rest;
    }
    case 'callExpr': {
      const { target, args } = kind.value;
      const operations = inside([target, ...args]);
      if (FREE.has(kind.value.function)) return operations;
      const how = COMPARING.has(kind.value.function) ? COMPARED : SIZED;
      if (target) kind.value.target = counting(target, how);
      kind.value.args = args.map((argument) => counting(argument, how));
      return operations;
    }
    case 'constExpr':
    case 'identExpr':
    case undefined:
    default:
      return 1;
  }
}

function counting(expression: Expr, how: string): Expr {
  const { exprKind } = expression;
  const constant = exprKind.case === 'constExpr' ? exprKind.value.constantKind : undefined;
  const isShort = constant?.case !== 'stringValue' || constant.value.length <= UNIT_CHARACTERS;
  return constant && isShort ? expression : call(how, [expression]);
}

function call(name: string, args: Expr[]): Expr {
  return {
    $typeName: 'cel.expr.Expr',
    id: 0n,
    exprKind: {
      case: 'callExpr',
      value: { $typeName: 'cel.expr.Expr.Call', function: name, args },
    },
  };
}

function constant(value: bigint): Expr {
  return {
    $typeName: 'cel.expr.Expr',
    id: 0n,
    exprKind: {
      case: 'constExpr',
      value: {
        $typeName: 'cel.expr.Constant',
        constantKind: { case: 'int64Value', value },
      },
    },
  };
}

/** What `meter` makes expressions call. */
export function countingFunctions(): Cel.CelFunc[] {
  const { celFunc, CelScalar } = celLibrary();
  const { DYN, INT } = CelScalar;
  return [
    celFunc(LOOPED, [DYN, INT], DYN, (range, weight) => {
      spend(sizeOf(range) * Number(weight));
      return range;
    }),
    celFunc(SIZED, [DYN], DYN, (value) => {
      spend(sizeOf(value));
      return value;
    }),
    celFunc(COMPARED, [DYN], DYN, (value) => {
      spendWhole(value);
      return value;
    }),
  ];
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string') return value.length / UNIT_CHARACTERS;
  const { isCelList, isCelMap } = celLibrary();
  return isCelList(value) || isCelMap(value) ? value.size : 0;
}

function spendWhole(value: unknown): void {
  const { isCelList, isCelMap } = celLibrary();
  spend(sizeOf(value));
  if (isCelList(value) || isCelMap(value)) for (const inner of value.values()) spendWhole(inner);
}
