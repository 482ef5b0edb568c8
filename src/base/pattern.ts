import { createRequire } from 'node:module';
import type { RE2JS } from '@bufbuild/re2';

const require = createRequire(import.meta.url);

/** Whether a text has a match of a pattern anywhere. */
export interface Pattern {
  test(text: string): boolean;
}

/**
 * A pattern that somebody else wrote, in RE2's syntax, which Kubernetes takes: matching needs time in proportion to the
 * text, whatever the pattern, where JavaScript's own may need hours. Throws SyntaxError. Loaded with the first pattern.
 */
export function compilePattern(source: string): Pattern {
  const { RE2JS: engine } = require('@bufbuild/re2') as { RE2JS: typeof RE2JS };
  try {
    return engine.compile(source);
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    throw new SyntaxError(error.message, { cause: error });
  }
}
