import { ImageError } from '../image.ts';

/** Says which files of a folder do not belong into its image. */
export interface IgnoreRules {
  /** True for a path below the folder that the rules leave out, itself or by a folder above it. */
  isIgnored(path: string): boolean;
  /** True when something below a left out folder may come back: it has to be looked into. */
  readonly hasExceptions: boolean;
}

export const IGNORE_BYTES_MAX = 64 * 1024;
const PATTERNS_MAX = 1000;

/**
 * Reads a .dockerignore: a pattern a line, `*` and `?` within a name, `**` over folders, `!` brings back, the last match
 * counts. Patterns begin at the folder itself. Throws ImageError `Invalid`.
 */
export function parseIgnoreFile(text: string): IgnoreRules {
  const lines = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  if (lines.length > PATTERNS_MAX)
    throw new ImageError(
      'Invalid',
      `.dockerignore: ${lines.length} patterns, at most ${PATTERNS_MAX}`,
    );
  const rules = lines.map((line) => {
    const isException = line.startsWith('!');
    return { isException, matches: patternOf(isException ? line.slice(1).trim() : line) };
  });
  return {
    hasExceptions: rules.some(({ isException }) => isException),
    isIgnored(path) {
      const last = rules.findLast(({ matches }) => matches.test(path));
      return last !== undefined && !last.isException;
    },
  };
}

/** Matches a path and everything below it. */
function patternOf(pattern: string): RegExp {
  const parts = pattern.split('/').filter((part) => part !== '' && part !== '.');
  // Runs of stars say no more than one, and would cost a search that never ends.
  const joined = parts
    .join('/')
    .replaceAll(/\*{3,}/g, '**')
    .replaceAll(/(?:\*\*\/)+/g, '**/');
  const source = joined.replaceAll(/\*\*\/|\*\*|\*|\?|\[[^\]/]+\]|[\\^$.|+()[\]{}]/g, (found) => {
    if (found === '**/') return '(?:.*/)?';
    if (found === '**') return '.*';
    if (found === '*') return '[^/]*';
    if (found === '?') return '[^/]';
    return found.length > 1 ? found : `\\${found}`;
  });
  try {
    return new RegExp(`^${source}(?:/|$)`);
  } catch (error) {
    throw new ImageError('Invalid', `.dockerignore: cannot read the pattern ${pattern}`, error);
  }
}
