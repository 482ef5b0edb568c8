import { CommandError, runCommand } from '#base/command.ts';

/**
 * Paths of every shared library that a program loads at its start, and of the loader itself, as `ldd` names them; none
 * for a static program. It runs the program's loader: only for programs that are trusted.
 */
export async function sharedLibrariesOf(program: string): Promise<readonly string[]> {
  try {
    return parseLdd(await runCommand(['ldd', program]), program);
  } catch (error) {
    const isStatic = error instanceof CommandError && /not a dynamic executable/.test(error.stderr);
    if (isStatic) return [];
    throw error;
  }
}

/** The same of modules that are loaded on demand; what one of them misses here, it misses in an image too. */
export async function librariesOfModules(modules: readonly string[]): Promise<readonly string[]> {
  if (modules.length === 0) return [];
  return librariesIn(await runCommand(['ldd', ...modules]));
}

/** Throws when a library is missing on this machine. */
export function parseLdd(output: string, program: string): readonly string[] {
  const missing = linesOf(output).flatMap((line) => /^(\S+) => not found/.exec(line)?.[1] ?? []);
  if (missing.length > 0)
    throw new Error(`${program}: libraries missing on this machine: ${missing.join(', ')}`);
  return librariesIn(output);
}

function librariesIn(output: string): readonly string[] {
  // `name => /path (0x…)`, or `/path (0x…)` for the loader; linux-vdso is the kernel's and has no path.
  const paths = linesOf(output).flatMap(
    (line) => /^(?:\S+ => )?(\/\S+) \(0x/.exec(line)?.[1] ?? [],
  );
  return [...new Set(paths)];
}

function linesOf(output: string): readonly string[] {
  return output.split('\n').map((line) => line.trim());
}
