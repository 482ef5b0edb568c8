import type { CelInput, CelResult, CelValue } from '@bufbuild/cel';
import { compilePattern, type Pattern } from '#base/pattern.ts';
import type { Schema } from '#api/schema.ts';
import { celLibrary, celStrings } from '#apiserver/cel/cel-library.ts';
import { countingFunctions, meter, refuseOverspent, spendText } from '#apiserver/cel/cost.ts';
import { checkTypes } from '#apiserver/cel/type-check.ts';
import { CompilationError } from '#apiserver/cel/compilation-error.ts';
import { kubernetesFunctions } from '#apiserver/cel/kubernetes-functions.ts';

/** Longer expressions are refused; Kubernetes' own cost limit is of the same order. */
const LENGTH_MAX = 16 * 1024;

/** A compiled CEL expression. */
export interface Expression {
  readonly text: string;
  /** Whether it names this variable. */
  uses(variable: string): boolean;
  /** Within a CelBudget's run. Throws EvaluationError. */
  evaluate(variables: Readonly<Record<string, CelInput>>): CelValue;
}

/** The expression does not fit the values it was given. */
export class EvaluationError extends Error {
  override readonly name = 'EvaluationError';
}

/** Made with the first expression, like what it is made of. */
const environment = lazy(() =>
  celLibrary().celEnv({
    funcs: [...celStrings(), ...kubernetesFunctions(), ...countingFunctions()],
    re2: { compile: meteredPattern },
  }),
);

const patterns = new Map<string, Pattern>();
const PATTERNS_MAX = 1000;

/** The evaluator compiles a pattern anew at each use. */
function meteredPattern(source: string): Pattern {
  let pattern = patterns.get(source);
  if (!pattern) {
    spendText(source);
    pattern = compilePattern(source);
    if (patterns.size >= PATTERNS_MAX) patterns.clear();
    patterns.set(source, pattern);
  }
  return pattern;
}

/**
 * What is known of the expression's result, where its variables are as these schemas say. Throws CompilationError where
 * it is no expression, or names what there is not.
 */
export function resultOf(text: string, variables: Readonly<Record<string, Schema>>): Schema {
  compile(text);
  const { expr } = celLibrary().parse(text);
  return checkTypes(expr, variables, (name) => environment().funcs.find(name) !== undefined);
}

/** Throws CompilationError. */
export function compile(text: string): Expression {
  if (text.length > LENGTH_MAX) {
    throw new CompilationError(`the expression is longer than ${LENGTH_MAX} characters`);
  }
  const run = planned(text);
  const names = new Set(text.match(/[A-Za-z_]\w*/g));
  return {
    text,
    uses: (variable) => names.has(variable),
    evaluate(variables) {
      let result: CelResult;
      try {
        result = run({ ...variables });
        refuseOverspent();
      } catch (error) {
        if (!(error instanceof Error)) throw error;
        // The evaluator throws where its own stack or our budget ends.
        throw new EvaluationError(error.message, { cause: error });
      }
      if (celLibrary().isCelError(result)) throw new EvaluationError(asCelGo(result.message));
      return result;
    },
  };
}

/** As Kubernetes' evaluator says it. */
function asCelGo(message: string): string {
  return message.replace(/^field not found: /, 'no such key: ');
}

function planned(text: string): (variables: Record<string, CelInput>) => CelResult {
  try {
    const { parse, plan } = celLibrary();
    const { expr } = parse(text);
    meter(expr);
    return plan(environment(), expr);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new CompilationError(error.message, { cause: error });
  }
}

function lazy<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}
