import assert from 'node:assert/strict';
import { run, type RunOptions } from '#test/support/platform.ts';

/**
 * A tour is text as a person's terminal shows it. `## ` begins a part, whose words are its name; `$ ` a command for sh,
 * `> ` its next lines; what follows, up to the next of these, is all it must print, standard output and error together.
 * White space counts as one blank; lines of nothing but that do not count. `…` stands for any text in a line, and as a
 * line of its own for any lines. A last line `[N]` is the exit code where it is not 0.
 *
 * `$old `, `$new `: a command for one of the two kubectls alone; where the same part has both, their difference is data.
 */
export interface Part {
  readonly name: string;
  readonly steps: readonly Step[];
}

export type Age = 'old' | 'new';

interface Step {
  readonly line: number;
  readonly command: string;
  readonly only: Age | undefined;
  readonly expected: readonly string[];
  readonly code: number;
}

/** Throws where the text is not a tour, or has a part that does nothing. */
export function parseTour(text: string): readonly Part[] {
  const parts = text
    .split('\n')
    .map((words, index) => ({ words, line: index + 1 }))
    .reduce<Line[][]>((all, line) => {
      if (line.words.startsWith(HEADING)) return [...all, [line]];
      all.at(-1)?.push(line);
      return all;
    }, []);
  return parts.map(([heading, ...lines]) => {
    assert.ok(heading);
    const steps = stepsOf(lines);
    assert.notEqual(steps.length, 0, `line ${heading.line}: a part without a command`);
    return { name: heading.words.slice(HEADING.length), steps };
  });
}

interface Line {
  readonly words: string;
  readonly line: number;
}

const HEADING = '## ';
const COMMAND = /^\$(?<only>old|new)? (?<command>.*)$/;
const EXIT_CODE = /^\[(\d+)\]$/;

function stepsOf(lines: readonly Line[]): Step[] {
  const blocks: { first: Line; only: Age | undefined; command: string[]; output: string[] }[] = [];
  for (const line of lines) {
    const begins = COMMAND.exec(line.words)?.groups;
    const block = blocks.at(-1);
    if (begins) {
      const only = begins['only'] as Age | undefined; // The pattern knows no other word.
      blocks.push({ first: line, only, command: [begins['command'] ?? ''], output: [] });
    } else if (line.words.trim() !== '') {
      assert.ok(block, `line ${line.line}: output of no command`);
      if (line.words.startsWith('> ')) block.command.push(line.words.slice('> '.length));
      else block.output.push(line.words);
    }
  }
  return blocks.map(({ first, only, command, output }) => {
    const code = EXIT_CODE.exec(output.at(-1)?.trim() ?? '')?.[1];
    return {
      line: first.line,
      only,
      command: command.join('\n'),
      expected: squeezed(code === undefined ? output : output.slice(0, -1)),
      code: Number(code ?? 0),
    };
  });
}

/** Runs the commands of a part one after the other; throws with all that did or said something else. */
export async function walk(part: Part, age: Age, options: RunOptions): Promise<void> {
  const differences: string[] = [];
  for (const { line, command, only, expected, code } of part.steps) {
    if (only !== undefined && only !== age) continue;
    const outcome = await run(
      ['timeout', '--kill-after=1', '30', 'sh', '-c', `exec 2>&1\n${command}`],
      options,
    );
    const printed = squeezed(outcome.stdout.split('\n'));
    if (outcome.code === code && matches(printed, expected)) continue;
    differences.push(
      `line ${line}, ${age} kubectl: $ ${command}`,
      ...printed,
      `[${outcome.code}]`,
      '--- expected:',
      ...expected,
      `[${code}]`,
    );
  }
  assert.ok(differences.length === 0, differences.join('\n'));
}

function squeezed(lines: readonly string[]): string[] {
  return lines.map((line) => line.trim().replaceAll(/\s+/g, ' ')).filter((line) => line !== '');
}

/** Whether lines are what a pattern with `…` says. */
function matches(lines: readonly string[], pattern: readonly string[]): boolean {
  const source = pattern.map((line) =>
    line === '…'
      ? '(?:.*\\n)*?'
      : `${line
          .split('…')
          .map((text) => RegExp.escape(text))
          .join('.*')}\\n`,
  );
  return new RegExp(`^${source.join('')}$`).test(lines.map((line) => `${line}\n`).join(''));
}
